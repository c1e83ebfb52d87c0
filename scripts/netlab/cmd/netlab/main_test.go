package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alkdev/alknet/scripts/netlab"
	"go.uber.org/goleak"
)

// asNetlab makes the test binary the command.
const asNetlab = "NETLAB_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asNetlab) != "" {
		main()
	}
	if code, ran := netlab.Rerun(); ran {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

const wan = "../../examples/wan.toml"

func possible(t *testing.T) {
	t.Helper()
	netlab.New(t, netlab.Config{})
}

// run runs the command as a process and returns its output and exit code.
func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return result(t, exec.Command(os.Args[0], args...))
}

func result(t *testing.T, cmd *exec.Cmd) (stdout, stderr string, code int) {
	t.Helper()
	cmd.Env = append(os.Environ(), asNetlab+"=1")
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), problems.String(), cmd.ProcessState.ExitCode()
}

func TestUsage(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.toml")
	if err := os.WriteFile(bad, []byte("[[host]]\ncolour = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nothing", nil, 2, "usage"},
		{"unknown command", []string{"walk"}, 2, `"walk"`},
		{"no file", []string{"run"}, 2, "no topology file"},
		{"no command", []string{"run", wan}, 2, "--"},
		{"nothing behind the dashes", []string{"run", wan, "--"}, 2, "no command"},
		{"unknown flag", []string{"run", "-fast", wan, "--", "true"}, 2, "-fast"},
		{"missing file", []string{"run", "nowhere.toml", "--", "true"}, 2, "nowhere.toml"},
		{"unknown key", []string{"run", bad, "--", "true"}, 2, bad + ": line 2: unknown key host.colour"},
		{"show without a file", []string{"show"}, 2, "one file"},
		{"show a bad file", []string{"show", bad}, 2, "line 2"},
		{"show", []string{"show", wan}, 0, "└── server"},
		{"help", []string{"help"}, 0, "netlab show FILE"},
		{"help of run", []string{"run", "-h"}, 0, "netlab show FILE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if code := start(tt.args, &out, &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
				t.Errorf("exit code %d, want %d; output\n%swant\n%s", code, tt.code, out.String(), tt.want)
			}
		})
	}
}

func TestRun(t *testing.T) {
	possible(t)
	dir := t.TempDir()
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"exit code", []string{"run", wan, "--", "sh", "-c", "exit 7"}, 7, ""},
		{"signal", []string{"run", wan, "--", "sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
		{"first host", []string{"run", wan, "--", "hostname"}, 0, "client\n"},
		{"chosen host", []string{"run", "-in", "server", wan, "--", "hostname"}, 0, "server\n"},
		{"unknown host", []string{"run", "-in", "nobody", wan, "--", "hostname"}, 2, ""},
		{"unknown program", []string{"run", wan, "--", "no-program-has-this-name"}, 2, ""},
		{"capture", []string{"run", "-pcap", dir, "-stats", wan, "--", "true"}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, problems, code := run(t, tt.args...)
			if code != tt.code || out != tt.want {
				t.Errorf("exit code %d, want %d; output %q, want %q; %s", code, tt.code, out, tt.want, problems)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "server.pcap")); err != nil {
		t.Error(err)
	}
	if _, problems, _ := run(t, "run", "-seed", "42", wan, "--", "true"); !strings.Contains(problems, "seed 42\n") {
		t.Errorf("the seed is not told: %s", problems)
	}
}

func TestEvents(t *testing.T) {
	possible(t)
	file := filepath.Join(t.TempDir(), "events.toml")
	text := `
[[network]]
name = "n"
[[host]]
name = "a"
in = "n"
[[host.run]]
command = ["sh", "-c", "echo ready; exec sleep 1000"]
ready = "ready"
[[at]]
after = "10ms"
host = "a"
move = "n"
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, problems, code := run(t, "run", file, "--", "sh", "-c", "until grep -q 198.18.1.3 /etc/hosts; do :; done; echo moved")
	if code != 0 || out != "moved\n" || !strings.Contains(problems, "a: ready\n") || !strings.Contains(problems, "a moves to n") {
		t.Errorf("exit code %d, output %q, %s", code, out, problems)
	}
}

// TestOrdinaryUser runs the command as an ordinary user who may open the device.
func TestOrdinaryUser(t *testing.T) {
	possible(t)
	if os.Getuid() != 0 {
		t.Skip("only root can become an ordinary user")
	}
	dir, err := os.MkdirTemp("", "netlab")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	const script = `
set -e
chmod 755 "$1"
cp "$2" "$1/netlab"
cp "$3" "$1/wan.toml"
cd "$1"
mknod -m 666 tun c 10 200
mount --bind tun /dev/net/tun
setpriv --reuid 65534 --regid 65534 --clear-groups unshare -U true
echo ready
set +e
setpriv --reuid 65534 --regid 65534 --clear-groups ./netlab run wan.toml -- sh -c 'hostname; id -u; exit 7'
echo $?
`
	cmd := exec.Command("unshare", "-m", "sh", "-c", script, "sh", dir, os.Args[0], wan)
	out, problems, _ := result(t, cmd)
	if !strings.HasPrefix(out, "ready\n") {
		t.Skipf("the system allows no device, no mount or no user namespace here: %s", problems)
	}
	if out != "ready\nclient\n0\n7\n" {
		t.Errorf("output %q, %s", out, problems)
	}
}
