package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sbin lists the directories in which systems keep daemons and which the PATH
// of an ordinary user often lacks.
var sbin = []string{"/usr/local/sbin", "/usr/sbin", "/sbin"}

// need returns the path of the first of the named programs that is installed.
// The names are alternatives for one purpose, such as "chromium" and
// "google-chrome". Without any of them the test is skipped, or failed when
// ALKNET_INTEROP is "require".
func need(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		for _, dir := range sbin {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path
			}
		}
	}
	end, hint := t.Skipf, ""
	if os.Getenv("ALKNET_INTEROP") == "require" {
		end, hint = t.Fatalf, ", and ALKNET_INTEROP=require forbids to skip"
	}
	end("find %s: not installed%s; run scripts/bootstrap", strings.Join(names, " or "), hint)
	return ""
}

// refusal records how need ends a test instead of ending it.
type refusal struct {
	testing.TB
	verdict string
}

func (r *refusal) Helper()               {}
func (r *refusal) Fatalf(string, ...any) { r.verdict = "failed" }
func (r *refusal) Skipf(string, ...any)  { r.verdict = "skipped" }

func TestNeed(t *testing.T) {
	const absent = "no-program-has-this-name"
	tests := []struct {
		name    string
		mode    string
		tools   []string
		verdict string
	}{
		{name: "installed", tools: []string{"go"}},
		{name: "second alternative installed", tools: []string{absent, "go"}},
		{name: "missing", tools: []string{absent}, verdict: "skipped"},
		{name: "missing in CI", mode: "require", tools: []string{absent}, verdict: "failed"},
		{name: "installed in CI", mode: "require", tools: []string{"go"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("ALKNET_INTEROP", tt.mode)
			r := &refusal{TB: t}
			path := need(r, tt.tools...)
			if r.verdict != tt.verdict {
				t.Errorf("verdict %q, want %q", r.verdict, tt.verdict)
			}
			if found := path != ""; found != (tt.verdict == "") {
				t.Errorf("path %q with verdict %q", path, tt.verdict)
			}
		})
	}
}
