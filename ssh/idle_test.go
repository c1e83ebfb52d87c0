package ssh_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/core/coretest"
	"github.com/alkdev/alknet/ssh"
)

// handled is one connection in memory that a Server handles, so that time can
// be made to pass.
type handled struct {
	t      *testing.T
	store  *config.Store
	client core.Connection
	began  time.Time
	done   chan error
}

func handle(t *testing.T, tls auth.Key, peers ...auth.Peer) *handled {
	_, hostPriv, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	host, err := ssh.HostKey(hostPriv)
	check(t, err)
	owner, _, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	store, err := config.NewStore(auth.Ed25519Key(owner), config.Dynamic{Peers: peers})
	check(t, err)
	var id auth.Identity
	if !tls.IsZero() {
		id, err = store.ByKey(context.Background(), tls)
		check(t, err)
	}
	client, conn := coretest.Pair(ssh.ALPN)
	h := &handled{t: t, store: store, client: client, began: time.Now(), done: make(chan error, 1)}
	server := &ssh.Server{HostKeys: []gossh.Signer{host}, Identities: store, Shell: "/bin/sh"}
	who := core.NewAuthContext(id, tls, ssh.ALPN, conn.RemoteAddr(), nil)
	go func() { h.done <- server.Handle(context.Background(), conn, who) }()
	return h
}

// open makes an SSH connection on a stream of its own.
func (h *handled) open(signers ...gossh.Signer) *gossh.Client {
	h.t.Helper()
	stream, err := h.client.OpenStream(context.Background())
	check(h.t, err)
	cfg := &gossh.ClientConfig{HostKeyCallback: gossh.InsecureIgnoreHostKey()}
	if len(signers) > 0 {
		cfg.Auth = []gossh.AuthMethod{gossh.PublicKeys(signers...)}
	}
	c, chans, reqs, err := gossh.NewClientConn(stream, "", cfg)
	check(h.t, err)
	return gossh.NewClient(c, chans, reqs)
}

// ended waits for the end, which took at least long.
func (h *handled) ended(long time.Duration) {
	h.t.Helper()
	err := <-h.done
	var he *core.HandlerError
	if !errors.As(err, &he) || he.Code != core.CodeTimeout {
		h.t.Errorf("got %v", err)
	}
	if took := time.Since(h.began); took < long || took > long+time.Minute {
		h.t.Errorf("after %v, not %v", took, long)
	}
}

// TestSilence: a connection that opens no stream ends.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { handle(t, auth.Key{}).ended(ssh.DefaultLoginGrace) })
	synctest.Test(t, func(t *testing.T) {
		_, key := newKey(t)
		handle(t, key, peer("laptop", key, "ssh:exec")).ended(10 * time.Minute)
	})
}

// TestIdleConnection: SSH connections may be silent for any time; a
// connection without any may not.
func TestIdleConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer, key := newKey(t)
		h := handle(t, auth.Key{}, peer("laptop", key, "ssh:exec"))
		c := h.open(signer)
		time.Sleep(time.Hour)
		if _, _, err := c.SendRequest("keepalive@openssh.com", true, nil); err != nil {
			t.Errorf("an idle shell was ended: %v", err)
		}
		c.Close()
		h.ended(time.Hour + 10*time.Minute)
	})
}
