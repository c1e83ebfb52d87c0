package coretest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"testing"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

// Auth is what a handler would be told of the peer called name with these
// scopes at the other end of conn. The peer's key is made of its name, the same
// one each time. The empty name is nobody.
func Auth(tb testing.TB, conn core.Connection, name string, scopes ...string) *core.AuthContext {
	tb.Helper()
	if name == "" {
		return core.NewAuthContext(core.Identity{}, auth.Key{}, conn.ALPN(), conn.RemoteAddr(), nil)
	}
	granted, err := auth.ParseScopes(scopes)
	if err != nil {
		tb.Fatal(err)
	}
	seed := sha256.Sum256([]byte(name))
	key := auth.Ed25519Key(ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey))
	id := core.Identity{Name: name, Kind: auth.KindPeer, Scopes: granted, Credential: auth.KeyCredential(key)}
	return core.NewAuthContext(id, key, conn.ALPN(), conn.RemoteAddr(), nil)
}
