package ssh_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/ssh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a Server on a loopback listener, one stream a TCP connection.
type node struct {
	t        testing.TB
	server   *ssh.Server
	store    *config.Store
	failures *config.Failures
	hostKey  gossh.PublicKey
	addr     string
	log      *logBuffer
	stop     context.CancelFunc

	ended chan error // what Dispatch returned, one for each connection

	mu     sync.Mutex
	tls    auth.Identity // what the outer handshake is said to have proved
	tlsKey auth.Key
	prove  func(auth.Identity) error
	remote net.Addr // what the next connections come from; nil for the truth
}

// newNode serves peers until the test ends. edit, if not nil, changes the
// server before it starts.
func newNode(t testing.TB, peers []auth.Peer, edit func(*ssh.Server)) *node {
	t.Helper()
	_, hostPriv, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	host, err := ssh.HostKey(hostPriv)
	check(t, err)
	owner, _, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	store, err := config.NewStore(auth.Ed25519Key(owner), config.Dynamic{Peers: peers})
	check(t, err)
	n := &node{t: t, store: store, hostKey: host.PublicKey(), log: &logBuffer{}, ended: make(chan error, 1024),
		failures: config.NewFailures(store.Limits)}
	n.server = &ssh.Server{
		HostKeys:   []gossh.Signer{host},
		Identities: store,
		Failures:   n.failures,
		Logger:     slog.New(slog.NewTextHandler(n.log, nil)),
		Shell:      "/bin/sh",
	}
	if edit != nil {
		edit(n.server)
	}
	n.listen()
	return n
}

func (n *node) listen() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(n.t, err)
	n.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	var router core.Router
	check(n.t, router.Register(n.server))
	var work sync.WaitGroup
	work.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				n.mu.Lock()
				remote := nc.RemoteAddr()
				if n.remote != nil {
					remote = n.remote
				}
				who := core.NewAuthContext(n.tls, n.tlsKey, ssh.ALPN, remote, n.prove)
				n.mu.Unlock()
				err := router.Dispatch(ctx, core.NewStreamConn(nc, ssh.ALPN), who)
				n.ended <- err
			})
		}
	})
	n.t.Cleanup(func() {
		l.Close()
		cancel()
		work.Wait()
	})
}

// knownPeer makes the outer handshake prove the peer of key from now on.
func (n *node) knownPeer(key auth.Key) {
	n.t.Helper()
	id, err := n.store.ByKey(context.Background(), key)
	check(n.t, err)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tls, n.tlsKey = id, key
}

// comeFrom makes the next connections come from ip.
func (n *node) comeFrom(ip string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.remote = &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}
}

func (n *node) onProve(f func(auth.Identity) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.prove = f
}

func (n *node) client(signers ...gossh.Signer) *gossh.ClientConfig {
	cfg := &gossh.ClientConfig{
		User:            "anybody",
		HostKeyCallback: gossh.FixedHostKey(n.hostKey),
		Timeout:         10 * time.Second,
	}
	if len(signers) > 0 {
		cfg.Auth = []gossh.AuthMethod{gossh.PublicKeys(signers...)}
	}
	return cfg
}

func (n *node) dial(signers ...gossh.Signer) *gossh.Client {
	n.t.Helper()
	c, err := gossh.Dial("tcp", n.addr, n.client(signers...))
	check(n.t, err)
	n.t.Cleanup(func() { c.Close() })
	return c
}

// newKey makes an Ed25519 key and what a peer list calls it.
func newKey(t testing.TB) (gossh.Signer, auth.Key) {
	t.Helper()
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	s, err := gossh.NewSignerFromSigner(priv)
	check(t, err)
	return s, keyOf(s)
}

func keyOf(s gossh.Signer) auth.Key {
	return auth.SSHKey(s.PublicKey().Type(), s.PublicKey().Marshal())
}

func peer(name string, key auth.Key, scopes ...string) auth.Peer {
	return auth.Peer{Name: name, Keys: []auth.Key{key}, Scopes: scopes}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// logBuffer collects log lines of several goroutines.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// lines returns those that contain every word.
func (b *logBuffer) lines(words ...string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []string
next:
	for line := range strings.Lines(b.buf.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

func source(t *testing.T, hostport string) netip.Addr {
	t.Helper()
	ap, err := netip.ParseAddrPort(hostport)
	check(t, err)
	return ap.Addr()
}
