package alkhttp_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestDependencies keeps the web face to the contract and to what serves HTTP.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	allowed := []struct{ prefix, why string }{
		{"github.com/alkdev/alknet/http", "this module"},
		{"github.com/alkdev/alknet/core/auth", "identities and scopes"},
		{"github.com/alkdev/alknet/core/config", "the limit of failed attempts"},
		{"github.com/coder/websocket", "RFC 6455"},
		{"github.com/go-chi/chi/v5", "routes"},
		{"github.com/quic-go/quic-go", "HTTP/3"},
		{"github.com/quic-go/qpack", "of quic-go"},
		{"golang.org/x/", "of quic-go and core/auth"},
	}
	for path := range strings.FieldsSeq(string(out)) {
		ok := path == "github.com/alkdev/alknet/core"
		for _, a := range allowed {
			ok = ok || path == a.prefix || strings.HasPrefix(path, strings.TrimSuffix(a.prefix, "/")+"/")
		}
		if !ok {
			t.Errorf("%s is imported: no handler may reach the listeners, the vault or another handler", path)
		}
	}
}
