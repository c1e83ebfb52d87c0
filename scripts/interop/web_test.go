//go:build unix

package interop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCurl(t *testing.T) {
	curl := need(t, "curl")
	n := serve(t)
	tests := []struct{ name, flag, version string }{
		{"http 1.1", "--http1.1", "1.1"},
		{"http 2", "--http2", "2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := run(t, "", curl, "-sSk", "--max-time", "20", tt.flag, "-w", "\n%{http_version} %{http_code}", "https://"+n.addr+"/").want(t, 0)
			if want := "\n" + tt.version + " 200"; !strings.HasSuffix(got.stdout, want) {
				t.Errorf("answer ends in %q, want %q", got.stdout[max(0, len(got.stdout)-20):], want)
			}
			if !strings.Contains(got.stdout, "<title>") {
				t.Errorf("no page: %s", got.stdout)
			}
		})
	}
}

// A client that sends no ALPN extension gets HTTP/1.1.
func TestOpenSSLWithoutALPN(t *testing.T) {
	openssl := need(t, "openssl")
	n := serve(t)
	got := run(t, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		openssl, "s_client", "-quiet", "-connect", n.addr).want(t, 0)
	if !strings.HasPrefix(got.stdout, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("answer: %s", got.stdout)
	}
}

// What no face of the node serves is refused in the handshake, with the alert
// that says so.
func TestOpenSSLUnknownALPN(t *testing.T) {
	openssl := need(t, "openssl")
	n := serve(t)
	got := run(t, "", openssl, "s_client", "-alpn", "no-such-protocol", "-connect", n.addr).want(t, 1)
	if !strings.Contains(got.stderr, "no application protocol") {
		t.Errorf("openssl says: %s", got.stderr)
	}
}

func TestNGTCP2(t *testing.T) {
	client := need(t, "gtlsclient")
	n := serve(t)
	dir := t.TempDir()
	got := run(t, "", client, "--exit-on-all-streams-close", "--handshake-timeout=10s", "--download="+dir,
		"127.0.0.1", n.port(), "https://localhost:"+n.port()+"/healthz").want(t, 0)
	if all := got.stdout + got.stderr; !strings.Contains(all, "Negotiated ALPN is h3") || !strings.Contains(all, "[:status: 200]") {
		t.Errorf("gtlsclient says:\n%s", all)
	}
	body, err := os.ReadFile(filepath.Join(dir, "healthz"))
	if err != nil || strings.TrimSpace(string(body)) != "ok" {
		t.Errorf("body %q, %v", body, err)
	}
}
