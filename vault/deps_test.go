package vault_test

import (
	"os/exec"
	"strings"
	"testing"
)

// What the vault may link beside the standard library and itself, and why.
var allowedDeps = map[string]string{
	"filippo.io/age":                 "the format of the vault file",
	"filippo.io/hpke":                "imported by age for its post-quantum recipients",
	"github.com/decred/dcrd/dcrec":   "secp256k1 for BIP-32; the standard library has no such curve",
	"golang.org/x/crypto":            "scrypt and ChaCha20 for age; cryptobyte for the node certificate",
	"golang.org/x/sys/cpu":           "imported by golang.org/x/crypto",
	"golang.org/x/text/transform":    "imported by norm",
	"golang.org/x/text/unicode/norm": "NFKD for BIP-39",
	"github.com/alkdev/alknet/vault": "the vault itself",
}

// What it must not link even from the standard library.
var forbiddenDeps = map[string]string{
	"net":         "a vault that cannot open a connection cannot send its keys",
	"net/http":    "as net",
	"crypto/tls":  "imports net",
	"crypto/x509": "imports net",
	"os/exec":     "a vault starts no programs",
	"plugin":      "a vault loads no code",
}

func TestDependencies(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{.ImportPath}} {{.Standard}}", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) < 20 {
		t.Fatalf("go list prints %d packages", len(lines))
	}
	for _, line := range lines {
		path, standard, _ := strings.Cut(line, " ")
		if why, ok := forbiddenDeps[path]; ok {
			t.Errorf("imports %s: %s", path, why)
		}
		if standard != "true" && !allowed(path) {
			t.Errorf("imports %s, which has no reason in this test", path)
		}
	}
}

func allowed(path string) bool {
	for prefix := range allowedDeps {
		if path == prefix || strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/") {
			return true
		}
	}
	return false
}
