package endpoint

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

const (
	codeStopping   = core.CodeShutdown
	reasonStopping = "the node stops"
)

// expiryCheck is how late an expiry is noticed after the machine slept: timers
// stand still meanwhile.
const expiryCheck = 30 * time.Second

// live is a connection while its handler runs.
type live struct {
	e         *Endpoint
	conn      core.Connection
	transport string
	since     time.Time
	remote    net.Addr
	prefix    netip.Prefix
	shaken    auth.Identity // proved by the handshake

	mu      sync.Mutex    // protects what follows
	who     auth.Identity // the ledger counts the connection under it
	expires time.Time
	expiry  *time.Timer // nil if it never expires
	over    bool
}

// admit counts a connection whose handshake has finished and starts its handler
// on a goroutine of its own: this one has a stack that cryptography has grown.
// It ends what track began.
func (e *Endpoint) admit(conn core.Connection, transport string, prefix netip.Prefix) {
	l := &live{e: e, conn: conn, transport: transport, since: time.Now(), remote: conn.RemoteAddr(), prefix: prefix}
	key := peerKey(conn.TLS())
	id, idErr := e.identify(key)
	if !e.ledger.add(id, prefix) {
		e.handshakeFailed(transport, l.remote, errTooMany)
		conn.Close(core.CodeLimit, "too many connections")
		e.conns.Done()
		return
	}
	l.shaken, l.who = id, id
	e.register(l)
	who := core.NewAuthContext(id, key, conn.ALPN(), l.remote, l.prove)
	who.Attempted = func(a core.Attempt) { l.observe(Attempted, a) }
	if !key.IsZero() {
		who.LogAttempt(e.Logger, "tls", key.String(), idErr)
	}
	if l.recheck() != nil { // changed between identify and register
		e.forget(l)
		e.conns.Done()
		return
	}
	go l.run(who)
}

func (l *live) run(who *core.AuthContext) {
	defer l.e.conns.Done()
	defer l.e.forget(l)
	m, alpn := l.e.metrics(), l.conn.ALPN()
	m.ConnectionOpened(l.transport, alpn)
	l.observe(Opened, core.Attempt{})
	defer l.observe(Closed, core.Attempt{})
	l.e.Router.Dispatch(l.e.running, l.conn, who)
	m.ConnectionClosed(l.transport, alpn, time.Since(l.since))
}

func peerKey(state *tls.ConnectionState) auth.Key {
	if state == nil || len(state.PeerCertificates) == 0 {
		return auth.Key{}
	}
	return auth.CertificateKey(state.PeerCertificates[0])
}

func (e *Endpoint) identify(key auth.Key) (auth.Identity, error) {
	if key.IsZero() {
		return auth.Identity{}, nil
	}
	if e.Identities == nil {
		return auth.Identity{}, auth.ErrUnknownKey
	}
	return e.Identities.ByKey(e.running, key)
}

func (e *Endpoint) register(l *live) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live[l] = struct{}{}
}

func (e *Endpoint) forget(l *live) {
	e.mu.Lock()
	delete(e.live, l)
	e.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.expiry != nil {
		l.expiry.Stop()
	}
	e.ledger.remove(l.who, l.prefix)
}

// prove moves the connection to the account of an identity that its handler
// established.
func (l *live) prove(id auth.Identity) error {
	if id.IsZero() {
		return auth.ErrNobody
	}
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return core.ErrConnectionClosed
	}
	if !l.e.ledger.add(id, netip.Prefix{}) {
		l.mu.Unlock()
		return &core.HandlerError{Code: core.CodeLimit, Reason: "too many connections"}
	}
	l.e.ledger.remove(l.who, l.prefix)
	l.who = id
	l.mu.Unlock()
	return l.recheck()
}

// recheck asks who the connection's identities are now, that of the handshake
// and that which the handler proved, and closes the connection if one of them
// is nobody any more.
func (l *live) recheck() error {
	l.mu.Lock()
	who := l.who
	l.mu.Unlock()
	if l.e.Identities == nil {
		return nil
	}
	expires, err := l.refresh(l.shaken, time.Time{})
	if err == nil && (l.shaken.IsZero() || who.Credential != l.shaken.Credential) {
		expires, err = l.refresh(who, expires)
	}
	l.mu.Lock()
	if l.over || l.who.Credential != who.Credential {
		l.mu.Unlock()
		return nil
	}
	if err == nil {
		l.watchExpiry(expires)
		l.mu.Unlock()
		return nil
	}
	l.mu.Unlock()
	l.e.logf("connection revoked", "remote_addr", l.remote.String(), "alpn", l.conn.ALPN(), "peer", who.Name, "reason", err.Error())
	l.conn.Close(core.CodeRevoked, "access was revoked")
	return err
}

// refresh returns the earlier of expires and id's expiry as it is now.
func (l *live) refresh(id auth.Identity, expires time.Time) (time.Time, error) {
	if id.IsZero() {
		return expires, nil
	}
	fresh, err := l.e.Identities.Refresh(context.Background(), id)
	if err == nil && !fresh.Expires.IsZero() && (expires.IsZero() || fresh.Expires.Before(expires)) {
		expires = fresh.Expires
	}
	return expires, err
}

// watchExpiry is called with l.mu held.
func (l *live) watchExpiry(expires time.Time) {
	if l.expiry != nil {
		l.expiry.Stop()
		l.expiry = nil
	}
	l.expires = expires
	if !expires.IsZero() {
		l.expiry = time.AfterFunc(min(l.untilExpiry(), expiryCheck), l.checkExpiry)
	}
}

func (l *live) checkExpiry() {
	l.mu.Lock()
	if l.over || l.expiry == nil {
		l.mu.Unlock()
		return
	}
	if left := l.untilExpiry(); left > 0 {
		l.expiry.Reset(min(left, expiryCheck))
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	l.recheck()
}

// untilExpiry goes by the wall clock, which Round leaves alone.
func (l *live) untilExpiry() time.Duration { return l.expires.Round(0).Sub(l.e.wallClock()) }

func (l *live) info() Info {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Info{
		Since:      l.since,
		RemoteAddr: l.conn.RemoteAddr().String(),
		ALPN:       l.conn.ALPN(),
		Transport:  l.transport,
		Kind:       l.who.Kind,
		Peer:       l.who.Name,
	}
}

// watchIdentities rechecks everybody after each change.
func (e *Endpoint) watchIdentities() {
	for {
		changed := e.Changed()
		for _, l := range e.snapshot() {
			l.recheck()
		}
		select {
		case <-changed:
		case <-e.running.Done():
			return
		}
	}
}
