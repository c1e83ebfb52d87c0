package harness

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// proxy serves one module, whose command prints its version, from a folder.
func proxy(t *testing.T, module, version string) {
	t.Helper()
	dir := t.TempDir()
	at := filepath.Join(dir, filepath.FromSlash(module), "@v")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	goMod := "module " + module + "\n\ngo 1.26.0\n"
	archive, err := os.Create(filepath.Join(at, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(archive)
	for name, text := range map[string]string{
		"go.mod":         goMod,
		"cmd/hi/main.go": "package main\n\nfunc main() { println(\"hi " + version + "\") }\n",
	} {
		f, err := w.Create(module + "@" + version + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{version + ".mod": goMod, version + ".info": `{"Version":"` + version + `"}`, "list": version + "\n"} {
		if err := os.WriteFile(filepath.Join(at, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cache := t.TempDir()
	t.Setenv("GOPROXY", "file://"+filepath.ToSlash(dir))
	t.Setenv("GONOSUMDB", module)
	t.Setenv("GOSUMDB", "off")
	t.Setenv("GOFLAGS", "-modcacherw")
	t.Setenv("GOMODCACHE", filepath.Join(cache, "mod"))
	t.Setenv("XDG_CACHE_HOME", filepath.Join(cache, "xdg"))
}

func TestGoPeer(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	build, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCACHE", strings.TrimSpace(string(build)))
	proxy(t, "example.org/greeter", "v1.2.3")
	s := &Setup{ctx: t.Context(), tools: &tools{}, values: map[string]string{}, versions: map[string]string{}}
	for range 2 {
		if err := s.GoPeer("hi", "example.org/greeter/cmd/hi@v1.2.3"); err != nil {
			t.Fatal(err)
		}
		t.Setenv("GOPROXY", "off") // the second time it comes from the cache
		t.Setenv("GOMODCACHE", t.TempDir())
	}
	out, err := exec.Command(s.Value("hi")).CombinedOutput()
	if err != nil || string(out) != "hi v1.2.3\n" {
		t.Errorf("the peer says %q, %v", out, err)
	}
	if got := s.versions["example.org/greeter/cmd/hi"]; got != "v1.2.3" {
		t.Errorf("version in the report: %q", got)
	}
	for _, pkg := range []string{"example.org/greeter/cmd/hi@latest", "example.org/greeter/cmd/other@v1.2.3"} {
		if err := s.GoPeer("other", pkg); err == nil {
			t.Errorf("%s: no error", pkg)
		}
	}
}
