package acme_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alkdev/alknet/core/acme"
	"github.com/alkdev/alknet/core/tlsconf"
)

// node is a TLS listener with the faces of a node, whose certificates may be
// replaced while it runs.
type node struct {
	addr string
	port int

	mu   sync.Mutex
	hook func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

func (n *node) use(m *acme.Manager) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hook = m.Certificate
}

func (n *node) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	n.mu.Lock()
	hook := n.hook
	n.mu.Unlock()
	if hook == nil {
		return nil, nil
	}
	return hook(hello)
}

func startNode(t *testing.T) *node {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{addr: l.Addr().String(), port: l.Addr().(*net.TCPAddr).Port}
	server := &tlsconf.Server{
		Web:          &tlsconf.WebCertificates{Key: func(uint64) (crypto.Signer, error) { return key, nil }},
		Certificates: n.certificate,
		WebALPNs:     []string{"h2", "http/1.1"},
	}
	config := server.TCP("http/1.1")
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(10 * time.Second))
				tls.Server(conn, config).Handshake()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wait.Wait()
	})
	return n
}

// see returns the certificates that a client with these protocols is shown.
func (n *node) see(t *testing.T, name string, protocols ...string) ([]*x509.Certificate, error) {
	t.Helper()
	d := tls.Dialer{Config: &tls.Config{ServerName: name, NextProtos: protocols, InsecureSkipVerify: true}}
	conn, err := d.DialContext(t.Context(), "tcp", n.addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates, nil
}

func mustSee(t *testing.T, n *node, name string) []*x509.Certificate {
	t.Helper()
	chain, err := n.see(t, name, "h2", "http/1.1")
	if err != nil {
		t.Fatalf("handshake for %s: %v", name, err)
	}
	return chain
}

// verify reports whether a chain is one of this authority for the name.
func (p *pebble) verify(chain []*x509.Certificate, name string) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: p.issuers, Intermediates: between, DNSName: name})
	return err
}

// run starts a Manager and returns its attempts and what stops it.
func run(t *testing.T, n *node, c acme.Config) (*acme.Manager, <-chan acme.Status, func()) {
	t.Helper()
	attempts := make(chan acme.Status, 64)
	c.OnAttempt = func(s acme.Status) { attempts <- s }
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	m, err := acme.New(c)
	if err != nil {
		t.Fatal(err)
	}
	n.use(m)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return m, attempts, stop
}

func next(t *testing.T, attempts <-chan acme.Status) acme.Status {
	t.Helper()
	select {
	case s := <-attempts:
		return s
	case <-t.Context().Done():
		t.Fatal("no attempt")
	case <-time.After(time.Minute):
		t.Fatal("no attempt in a minute")
	}
	return acme.Status{}
}

func TestIssuanceByTLSALPN(t *testing.T) {
	n := startNode(t)
	p := startPebble(t, pebbleConfig{tlsPort: n.port, httpPort: 1})
	folder := t.TempDir()
	c := acme.Config{
		Domains: []string{"node.example", "Bücher.example"}, Folder: folder,
		Directory: p.directory, Roots: p.roots, Email: "owner@node.example",
	}
	_, attempts, stop := run(t, n, c)
	for range c.Domains {
		if s := next(t, attempts); s.LastError != nil || s.NotAfter.IsZero() || !s.NextTry.After(time.Now()) {
			t.Fatalf("status: %+v", s)
		}
	}
	first := mustSee(t, n, "node.example")
	if err := p.verify(first, "node.example"); err != nil {
		t.Errorf("chain: %v", err)
	}
	if key, ok := first[0].PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("key is %T", first[0].PublicKey)
	}
	if err := p.verify(mustSee(t, n, "xn--bcher-kva.example"), "xn--bcher-kva.example"); err != nil {
		t.Errorf("chain of the second name: %v", err)
	}
	if err := p.verify(mustSee(t, n, "other.example"), "other.example"); err == nil {
		t.Error("a name of nobody has a certificate")
	}
	if chain, err := n.see(t, "node.example", "acme-tls/1"); err == nil {
		t.Errorf("acme-tls/1 without a challenge was shown %v", chain[0].Subject)
	}
	stop()

	// After a restart the certificate is there before Run, and no order follows.
	orders := p.orders()
	c.Logger = nil
	again, err := acme.New(c)
	if err != nil {
		t.Fatal(err)
	}
	n.use(again)
	if got := mustSee(t, n, "node.example"); !got[0].Equal(first[0]) {
		t.Error("another certificate after the restart")
	}
	_, attempts, stop = run(t, n, c)
	stop()
	if len(attempts) > 0 || p.orders() != orders {
		t.Errorf("%d orders, then %d", orders, p.orders())
	}
}

func TestIssuanceByHTTP(t *testing.T) {
	n := startNode(t)
	var handler http.Handler
	ready := make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-ready
		handler.ServeHTTP(w, r)
	})}
	var wait sync.WaitGroup
	wait.Go(func() { server.Serve(l) })
	t.Cleanup(func() {
		server.Close()
		wait.Wait()
	})
	p := startPebble(t, pebbleConfig{httpPort: l.Addr().(*net.TCPAddr).Port, tlsPort: 1})
	m, attempts, _ := run(t, n, acme.Config{
		Domains: []string{"node.example"}, Folder: t.TempDir(), Directory: p.directory, Roots: p.roots,
		Challenges: []acme.Challenge{acme.HTTP01}, Profile: "brief",
	})
	handler = m.ChallengeHandler(http.RedirectHandler("https://node.example/", http.StatusMovedPermanently))
	close(ready)
	if s := next(t, attempts); s.LastError != nil {
		t.Fatal(s.LastError)
	} else if valid := s.NotAfter.Sub(s.NotBefore).Round(time.Hour); valid != 5*24*time.Hour {
		t.Errorf("valid for %v: the profile was not asked for", valid)
	}
	if err := p.verify(mustSee(t, n, "node.example"), "node.example"); err != nil {
		t.Error(err)
	}

	transport := &http.Transport{DisableKeepAlives: true}
	for _, path := range []string{"/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/unknown"} {
		req, _ := http.NewRequest(http.MethodGet, "http://"+l.Addr().String()+path, nil)
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMovedPermanently {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

func TestRenewalAtTheAuthoritysTime(t *testing.T) {
	n := startNode(t)
	p := startPebble(t, pebbleConfig{tlsPort: n.port, httpPort: 1})
	c := acme.Config{Domains: []string{"node.example"}, Folder: t.TempDir(), Directory: p.directory, Roots: p.roots}
	_, attempts, stop := run(t, n, c)
	if s := next(t, attempts); s.LastError != nil {
		t.Fatal(s.LastError)
	}
	old := mustSee(t, n, "node.example")[0]
	stop()

	p.suggest(t, old, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	_, attempts, _ = run(t, n, c)
	if s := next(t, attempts); s.LastError != nil {
		t.Fatal(s.LastError)
	}
	renewed := mustSee(t, n, "node.example")
	if renewed[0].Equal(old) {
		t.Error("the old certificate is still in use")
	}
	if key := renewed[0].PublicKey.(*ecdsa.PublicKey); key.Equal(old.PublicKey) {
		t.Error("the key was used again")
	}
	if err := p.verify(renewed, "node.example"); err != nil {
		t.Error(err)
	}
}

// TestChallengeIsForTheAuthorityAlone looks at the node while a challenge is
// open: pebble is made to ask a listener that tells when it is asked.
func TestChallengeIsForTheAuthorityAlone(t *testing.T) {
	n := startNode(t)
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	t.Cleanup(func() {
		front.Close()
		wait.Wait()
	})
	p := startPebble(t, pebbleConfig{tlsPort: front.Addr().(*net.TCPAddr).Port, httpPort: 1})
	_, attempts, _ := run(t, n, acme.Config{
		Domains: []string{"node.example"}, Folder: t.TempDir(), Directory: p.directory, Roots: p.roots,
	})
	asked, err := front.Accept() // the challenge is open from here until this answers
	if err != nil {
		t.Fatal(err)
	}

	challenge, err := n.see(t, "node.example", "acme-tls/1")
	if err != nil || !isChallenge(challenge[0]) {
		t.Fatalf("acme-tls/1 alone: %v", err)
	}
	if _, err := n.see(t, "other.example", "acme-tls/1"); err == nil {
		t.Error("acme-tls/1 for another name was answered")
	}
	if _, err := n.see(t, "", "acme-tls/1"); err == nil {
		t.Error("acme-tls/1 without a name was answered")
	}
	for _, protocols := range [][]string{{"acme-tls/1", "h2"}, {"h2", "acme-tls/1"}, {"h2"}, {}} {
		chain, err := n.see(t, "node.example", protocols...)
		if err != nil {
			t.Errorf("%q: %v", protocols, err)
		} else if isChallenge(chain[0]) {
			t.Errorf("%q was shown the challenge certificate", protocols)
		}
	}
	if _, err := n.see(t, "node.example", "acme-tls/1", "unknown"); err == nil {
		t.Error("acme-tls/1 beside an unknown protocol was answered")
	}

	forward(t, &wait, asked, n.addr)
	wait.Go(func() {
		for {
			conn, err := front.Accept()
			if err != nil {
				return
			}
			forward(t, &wait, conn, n.addr)
		}
	})
	if s := next(t, attempts); s.LastError != nil {
		t.Fatal(s.LastError)
	}
	if _, err := n.see(t, "node.example", "acme-tls/1"); err == nil {
		t.Error("the challenge stayed open")
	}
}

func isChallenge(c *x509.Certificate) bool {
	for _, e := range c.Extensions {
		if e.Id.String() == "1.3.6.1.5.5.7.1.31" { // RFC 8737, section 3
			return true
		}
	}
	return false
}

func TestAuthorityDown(t *testing.T) {
	n := startNode(t)
	listen, folder := freeAddress(t), t.TempDir()
	pebbleProgram(t)
	roots := serverCertificate(t, t.TempDir())
	_, attempts, stop := run(t, n, acme.Config{
		Domains: []string{"node.example"}, Folder: folder, Directory: "https://" + listen + "/dir", Roots: roots,
	})
	s := next(t, attempts)
	var order *acme.OrderError
	if !errors.As(s.LastError, &order) || s.Failures != 1 || !s.NextTry.After(time.Now()) {
		t.Fatalf("status: %+v", s)
	}
	if !strings.Contains(s.LastError.Error(), "check that this machine reaches") {
		t.Errorf("no advice: %v", s.LastError)
	}
	if got := mustSee(t, n, "node.example")[0]; got.CheckSignature(got.SignatureAlgorithm, got.RawTBSCertificate, got.Signature) != nil {
		t.Errorf("not the self-signed certificate: %v", got.Subject)
	}
	stop()

	// The directory's certificate is unknown here, then all is well.
	p := startPebble(t, pebbleConfig{listen: listen, tlsPort: n.port, httpPort: 1})
	m, attempts, stop := run(t, n, acme.Config{
		Domains: []string{"node.example"}, Folder: folder, Directory: p.directory, Roots: x509.NewCertPool(),
	})
	if s := m.Status()[0]; s.Failures != 1 || s.LastError == nil {
		t.Errorf("the failure was forgotten: %+v", s)
	}
	m.Retry()
	if s := next(t, attempts); s.Failures != 2 || !strings.Contains(s.LastError.Error(), "root certificate") {
		t.Errorf("status: %+v", s)
	}
	stop()
	m, attempts, _ = run(t, n, acme.Config{
		Domains: []string{"node.example"}, Folder: folder, Directory: p.directory, Roots: p.roots,
	})
	m.Retry()
	if s := next(t, attempts); s.LastError != nil || s.Failures != 0 {
		t.Fatalf("status: %+v", s)
	}
	if err := p.verify(mustSee(t, n, "node.example"), "node.example"); err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	n := startNode(t)
	p := startPebble(t, pebbleConfig{tlsPort: 1, httpPort: 1})
	for _, tt := range []struct {
		name, domain, problem, advice string
	}{
		{"name not allowed", "blocked.example", "rejectedIdentifier", "issues nothing for this name"},
		{"node not reachable", "node.example", "unauthorized", "port 443"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, attempts, _ := run(t, n, acme.Config{
				Domains: []string{tt.domain}, Folder: t.TempDir(), Directory: p.directory, Roots: p.roots,
			})
			s := next(t, attempts)
			var order *acme.OrderError
			if !errors.As(s.LastError, &order) {
				t.Fatalf("error: %v", s.LastError)
			}
			if order.Type != tt.problem || order.Domain != tt.domain || !strings.Contains(order.Error(), tt.advice) {
				t.Errorf("type %q: %v", order.Type, order)
			}
		})
	}
}

// TestAuthorityForgotTheAccount restarts pebble, which keeps nothing.
func TestAuthorityForgotTheAccount(t *testing.T) {
	n := startNode(t)
	// A resolver started between the two could get the authority's port.
	listen, management, dns := freeAddress(t), freeAddress(t), startDNS(t)
	p := startPebble(t, pebbleConfig{listen: listen, management: management, dns: dns, tlsPort: n.port, httpPort: 1})
	c := acme.Config{Domains: []string{"node.example"}, Folder: t.TempDir(), Directory: p.directory, Roots: p.roots}
	_, attempts, stop := run(t, n, c)
	if s := next(t, attempts); s.LastError != nil {
		t.Fatal(s.LastError)
	}
	stop()
	p.stop()

	p = startPebble(t, pebbleConfig{listen: listen, management: management, dns: dns, tlsPort: n.port, httpPort: 1})
	c.Roots, c.Domains, c.Email = p.roots, []string{"second.example"}, "owner@node.example"
	_, attempts, _ = run(t, n, c)
	if s := next(t, attempts); s.LastError != nil {
		t.Fatal(s.LastError)
	}
	if err := p.verify(mustSee(t, n, "second.example"), "second.example"); err != nil {
		t.Error(err)
	}
}

func TestDamagedCertificateIsReplaced(t *testing.T) {
	n := startNode(t)
	p := startPebble(t, pebbleConfig{tlsPort: n.port, httpPort: 1})
	c := acme.Config{Domains: []string{"node.example"}, Folder: t.TempDir(), Directory: p.directory, Roots: p.roots}
	_, attempts, stop := run(t, n, c)
	if s := next(t, attempts); s.LastError != nil {
		t.Fatal(s.LastError)
	}
	stop()
	files, err := filepath.Glob(filepath.Join(c.Folder, "*", "node.example.pem"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	if err := os.Truncate(files[0], 700); err != nil {
		t.Fatal(err)
	}

	m, attempts, _ := run(t, n, c)
	if s := next(t, attempts); s.LastError != nil {
		t.Fatal(s.LastError)
	}
	if err := p.verify(mustSee(t, n, "node.example"), "node.example"); err != nil {
		t.Error(err)
	}
	if kept, _ := filepath.Glob(files[0] + ".damaged-*"); len(kept) != 1 {
		t.Errorf("kept: %v", kept)
	}
	if s := m.Status(); len(s) != 1 || s[0].Domain != "node.example" || s[0].Issuer == "" {
		t.Errorf("status: %+v", s)
	}
}
