package guides

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// tools are what the machines get from this one.
type tools struct {
	root    string // of the working tree
	alknet  string // built from it
	goroot  string
	modules string // the module cache
	builds  string // the build cache
	pebble  string
	sshd    string
}

// need returns the path of a program that the guides use.
func need(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "../../bin", "/usr/sbin", "/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			path, err = filepath.Abs(path)
			if err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	end := t.Skipf
	if os.Getenv("ALKNET_INTEROP") == "require" {
		end = t.Fatalf
	}
	end("%s: not installed; run scripts/bootstrap", name)
	return ""
}

func buildTools(t *testing.T) tools {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go", "ip", "nft", "ssh", "ssh-keygen", "curl", "age", "git", "mount", "hostname", "sysctl"} {
		need(t, name)
	}
	v := tools{root: root, pebble: need(t, "pebble"), sshd: need(t, "sshd"), alknet: filepath.Join(t.TempDir(), "alknet")}
	out, err := exec.Command("go", "build", "-o", v.alknet, "github.com/alkdev/alknet/alknet").CombinedOutput()
	if err != nil {
		t.Fatalf("build alknet: %v\n%s", err, out)
	}
	out, err = exec.Command("go", "env", "GOROOT", "GOMODCACHE", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	env := strings.Split(strings.TrimSpace(string(out)), "\n")
	v.goroot, v.modules, v.builds = env[0], env[1], env[2]
	return v
}

func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func TestGuides(t *testing.T) {
	paths, err := filepath.Glob("../../docs/guides/*.md")
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		t.Skip("ssh on the machines of the guides sets groups, which root may and no other user, in a namespace neither")
	}
	tools := buildTools(t)
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			g, err := Parse(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range g.Blocks {
				if b.NotRun != "" {
					t.Run("a block", func(t *testing.T) { t.Skipf("%s:%d: %s", g.Name, b.Line, b.NotRun) })
				}
			}
			for _, c := range g.Inline {
				checkInline(t, g, c, tools.alknet)
			}
			if len(g.Machines) == 0 || g.Name == "service.md" { // scripts/packaging has a machine with systemd for it
				return
			}
			state := t.TempDir()
			r := Runner{Guide: g, Hosts: newWorld(t, g, tools), State: state}
			if err := r.Run(); err != nil {
				t.Error(err)
			}
		})
	}
}

// checkInline asks the command named in a sentence for its help, so that no
// guide names one that does not exist.
func checkInline(t *testing.T, g *Guide, c Inline, alknet string) {
	t.Helper()
	words := strings.Fields(c.Text)[1:]
	n := 0
	for n < len(words) && strings.Trim(words[n], "abcdefghijklmnopqrstuvwxyz-") == "" && !strings.HasPrefix(words[n], "-") {
		n++
	}
	arg := append(append([]string{}, words[:n]...), "--help")
	cmd := exec.Command(alknet, arg...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s:%d: `%s`: %v\n%s", g.Name, c.Line, c.Text, err, out)
	}
}
