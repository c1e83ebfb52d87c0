package ssh_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestDependencies keeps the layering: a handler knows the contract and
// nothing of how connections are made, where keys live, or other handlers.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	const own = "github.com/alkdev/alknet/"
	allowed := map[string]bool{own + "ssh": true, own + "core": true, own + "core/auth": true, own + "core/config": true}
	for pkg := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(pkg, own) && !allowed[pkg] {
			t.Errorf("depends on %s", pkg)
		}
		if strings.HasPrefix(pkg, "github.com/quic-go/") {
			t.Errorf("depends on %s: transports are below core", pkg)
		}
	}
}
