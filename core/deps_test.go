package core_test

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/alkdev/alknet/core"

// What each package and those below it import from outside the standard
// library, and why.
var mayImport = []struct{ pkg, imports, why string }{
	{"", module + "/auth", "identities are part of the contract"},
	{"/auth", "", "keys and scopes need nothing"},
	{"/config", module + "/auth", "the configuration holds peers"},
	{"/config", "golang.org/x/time", "rates"},
	{"/coretest", module, "it implements the contract"},
	{"/coretest", module + "/auth", "identities of peers in tests"},
	{"/tlsconf", module, "protocol names"},
	{"/tlsconf", "golang.org/x/crypto", "key derivation"},
	{"/endpoint", module, "everything of core"},
	{"/endpoint", "github.com/quic-go/quic-go", "the listeners"},
	{"/endpoint", "golang.org/x", "socket options"},
	{"/dial", module, "everything of core"},
	{"/dial", "github.com/quic-go/quic-go", "the dialler"},
	{"/dial", "golang.org/x", "SOCKS5 and socket options"},
	{"/acme", module, "everything of core"},
	{"/acme", "github.com/mholt/acmez", "the ACME client"},
	{"/acme", "golang.org/x", "internationalised names"},
	{"/internal/quicconn", module, "it implements the contract"},
	{"/internal/quicconn", "github.com/quic-go/quic-go", "what it implements it with"},
	{"/internal/tcpconn", "", "one method around net.TCPConn"},
	{"/internal/udpconn", "golang.org/x/net/ipv4", "the message type of quic-go's batch reads"},
	{"/internal/udpconn", "golang.org/x/sys/unix", "recvmmsg and UDP_GRO"},
}

func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) < 8 {
		t.Fatalf("go list prints %d packages", len(lines))
	}
	for _, line := range lines {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], module)
		for _, imported := range fields[1:] {
			if strings.Contains(imported, ".") && !allowed(pkg, imported) {
				t.Errorf("%s imports %s, which has no reason in this test", fields[0], imported)
			}
		}
	}
}

// TestRootIsLight: whoever writes a handler links nothing but the standard
// library and core/auth.
func TestRootIsLight(t *testing.T) {
	for _, pkg := range []string{module, module + "/coretest"} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg).Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		for dep := range strings.FieldsSeq(string(out)) {
			if dep != module && dep != module+"/auth" && dep != pkg {
				t.Errorf("%s depends on %s", pkg, dep)
			}
		}
	}
}

func allowed(pkg, imported string) bool {
	for _, rule := range mayImport {
		if under(pkg, rule.pkg) && rule.imports != "" && under(imported, rule.imports) {
			return true
		}
	}
	return false
}

func under(path, prefix string) bool {
	return path == prefix || prefix != "" && strings.HasPrefix(path, prefix+"/")
}
