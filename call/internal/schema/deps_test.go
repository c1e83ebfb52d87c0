package schema_test

import (
	"os/exec"
	"strings"
	"testing"
)

// The library is for tests: what it sets up at the start of a program is paid
// by each.
func TestLibraryIsNotLinked(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "github.com/alkdev/alknet/call/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := strings.Fields(string(out))
	if len(packages) < 50 {
		t.Fatalf("go list prints %d packages", len(packages))
	}
	for _, p := range packages {
		if strings.HasPrefix(p, "github.com/google/jsonschema-go") {
			t.Errorf("alknet/call links %s", p)
		}
	}
}
