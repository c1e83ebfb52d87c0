package call_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestDependencies keeps the protocol to the contract of core and to a library
// for JSON: what joins it to other handlers is wired elsewhere.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	allowed := []struct{ prefix, why string }{
		{"github.com/alkdev/alknet/call", "this module"},
		{"github.com/alkdev/alknet/core/auth", "identities and scopes"},
		{"github.com/alkdev/alknet/core/config", "the limit of failed attempts"},
		{"github.com/go-json-experiment/json", "Go types as JSON"},
	}
	for path := range strings.FieldsSeq(string(out)) {
		ok := path == "github.com/alkdev/alknet/core"
		for _, a := range allowed {
			ok = ok || path == a.prefix || strings.HasPrefix(path, a.prefix+"/")
		}
		if !ok {
			t.Errorf("%s is imported", path)
		}
	}
}
