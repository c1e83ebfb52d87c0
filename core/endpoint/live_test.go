package endpoint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/coretest"
)

// fickle is an identity provider that changes its mind: ByKey and Refresh are
// its answers.
type fickle struct {
	byKey, refresh func() (auth.Identity, error)
}

func (f fickle) ByKey(context.Context, auth.Key) (auth.Identity, error) { return f.byKey() }
func (f fickle) ByToken(context.Context, string) (auth.Identity, error) {
	return auth.Identity{}, auth.ErrUnknownToken
}
func (f fickle) Refresh(context.Context, auth.Identity) (auth.Identity, error) { return f.refresh() }

var laptop = auth.Identity{Kind: auth.KindPeer, Name: "laptop"}

func known() (auth.Identity, error)   { return laptop, nil }
func removed() (auth.Identity, error) { return auth.Identity{}, auth.ErrUnknownKey }

// admitted is the client's side of a connection that handle serves. The client
// has a key or not.
func admitted(t *testing.T, e *Endpoint, key bool, handle func(context.Context, core.Connection, *core.AuthContext) error) core.Connection {
	t.Helper()
	e.Router = &core.Router{}
	if err := e.Router.Register(core.HandlerFunc("alknet/test", handle)); err != nil {
		t.Fatal(err)
	}
	e.init()
	if !e.track() {
		t.Fatal("the endpoint stops")
	}
	state := &tls.ConnectionState{}
	if key {
		state.PeerCertificates = []*x509.Certificate{{Raw: []byte{1}}}
	}
	client, server := coretest.Pair("alknet/test", coretest.TLS(state))
	e.admit(server, "quic", netip.Prefix{})
	return client
}

func waiting(_ context.Context, conn core.Connection, _ *core.AuthContext) error {
	<-conn.Context().Done()
	return nil
}

// revoked reports whether conn has ended with CodeRevoked.
func revoked(conn core.Connection) bool {
	var ce *core.CloseError
	return errors.As(context.Cause(conn.Context()), &ce) && ce.Code == core.CodeRevoked && ce.Remote
}

// A peer that is removed after the handshake asked for it, and before the
// connection is among those that a change rechecks, is cut off all the same.
func TestRemovedWhileAdmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &Endpoint{Identities: fickle{known, removed}}
		conn := admitted(t, e, true, waiting)
		synctest.Wait()
		if !revoked(conn) {
			t.Errorf("the connection has ended with %v", context.Cause(conn.Context()))
		}
		conn.Close(core.CodeNone, "")
		e.conns.Wait()
		if len(e.live) != 0 || len(e.ledger.identities) != 0 {
			t.Errorf("left over: %v, %v", e.live, e.ledger.identities)
		}
	})
}

func TestRemovedWhileProving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &Endpoint{Identities: fickle{known, removed}}
		var proof error
		conn := admitted(t, e, false, func(ctx context.Context, conn core.Connection, who *core.AuthContext) error {
			id, err := e.Identities.ByKey(ctx, auth.Key{})
			if err != nil {
				return err
			}
			proof = who.Prove(id)
			return waiting(ctx, conn, who)
		})
		synctest.Wait()
		if !errors.Is(proof, auth.ErrUnknownKey) {
			t.Errorf("Prove: %v, want that the peer is unknown", proof)
		}
		if !revoked(conn) {
			t.Errorf("the connection has ended with %v", context.Cause(conn.Context()))
		}
		conn.Close(core.CodeNone, "")
		e.conns.Wait()
	})
}

func TestExpiry(t *testing.T) {
	const month = 30 * 24 * time.Hour
	for _, test := range []struct {
		name          string
		left          time.Duration // at the handshake
		slept, at     time.Duration // how long the machine sleeps, and when
		awake, within time.Duration // the connection is open until then, and ends by then
	}{
		{"soon", 10 * time.Second, 0, 0, 10*time.Second - 1, 10 * time.Second},
		{"late", month, 0, 0, month - 1, month},
		{"slept over", month, 2 * month, time.Hour, time.Hour - 1, time.Hour + expiryCheck},
		{"slept before", month, month - 2*time.Hour, time.Hour, 2*time.Hour - 1, 2 * time.Hour},
		{"past", -time.Second, 0, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				clock := func() time.Time {
					now := time.Now()
					if test.slept > 0 && now.Sub(began) >= test.at {
						now = now.Add(test.slept)
					}
					return now.Round(0)
				}
				id, asked := laptop, 0
				id.Expires = began.Add(test.left)
				e := &Endpoint{wallClock: clock, Identities: fickle{known, func() (auth.Identity, error) {
					asked++
					if id.Expired(clock()) {
						return auth.Identity{}, auth.ErrExpired
					}
					return id, nil
				}}}
				conn := admitted(t, e, true, waiting)
				<-time.After(test.awake)
				synctest.Wait()
				if test.awake > 0 && conn.Context().Err() != nil {
					t.Errorf("ended %v early", test.within-test.awake)
				}
				<-time.After(test.within - test.awake)
				synctest.Wait()
				if !revoked(conn) {
					t.Errorf("open %v after the handshake", time.Since(began))
				}
				if asked > 2 {
					t.Errorf("the provider was asked %d times", asked)
				}
				conn.Close(core.CodeNone, "")
				e.conns.Wait()
			})
		})
	}
}

// A connection on which a handler proved somebody else still ends with the
// peer that the handshake proved.
func TestRemovedPeerOfTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handshake := auth.Identity{Kind: auth.KindPeer, Name: "laptop", Credential: auth.Credential{TokenID: "laptop"}}
		proved := auth.Identity{Kind: auth.KindPeer, Name: "phone", Credential: auth.Credential{TokenID: "phone"}}
		gone := map[string]bool{}
		e := &Endpoint{Identities: refreshing{handshake, func(id auth.Identity) (auth.Identity, error) {
			if gone[id.Name] {
				return auth.Identity{}, auth.ErrUnknownKey
			}
			return id, nil
		}}}
		conn := admitted(t, e, true, func(ctx context.Context, conn core.Connection, who *core.AuthContext) error {
			if err := who.Prove(proved); err != nil {
				return err
			}
			return waiting(ctx, conn, who)
		})
		synctest.Wait()
		if conn.Context().Err() != nil {
			t.Fatalf("the connection has ended with %v", context.Cause(conn.Context()))
		}
		gone["laptop"] = true
		for _, l := range e.snapshot() {
			l.recheck()
		}
		synctest.Wait()
		if !revoked(conn) {
			t.Errorf("the connection has ended with %v", context.Cause(conn.Context()))
		}
		e.conns.Wait()
	})
}

// refreshing answers Refresh by who is asked for.
type refreshing struct {
	known auth.Identity
	ask   func(auth.Identity) (auth.Identity, error)
}

func (r refreshing) ByKey(context.Context, auth.Key) (auth.Identity, error) { return r.known, nil }
func (r refreshing) ByToken(context.Context, string) (auth.Identity, error) {
	return auth.Identity{}, auth.ErrUnknownToken
}
func (r refreshing) Refresh(_ context.Context, id auth.Identity) (auth.Identity, error) {
	return r.ask(id)
}
