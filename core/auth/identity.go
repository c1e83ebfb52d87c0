package auth

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Kind says what sort of somebody an Identity is.
type Kind uint8

// The kinds of identity. The zero Kind is nobody.
const (
	KindNobody    Kind = iota
	KindPeer           // a peer entry, proved by one of its keys
	KindToken          // an API key
	KindOwner          // the node's own key, on the node itself
	KindOperation      // an operation that calls others in its own name; nothing proves it from outside
)

// String returns "nobody", "peer", "token", "owner" or "operation".
func (k Kind) String() string {
	switch k {
	case KindPeer:
		return "peer"
	case KindToken:
		return "token"
	case KindOwner:
		return "owner"
	case KindOperation:
		return "operation"
	}
	return "nobody"
}

// MarshalText writes what String returns.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Credential is what proved an identity: a key, or an API key by its public
// id. It is comparable, and holds nothing that authenticates.
type Credential struct {
	Key     Key    // zero when a token was shown
	TokenID string // empty when a key was proved
	digest  [32]byte
}

// KeyCredential is the credential of a proved key.
func KeyCredential(k Key) Credential { return Credential{Key: k} }

// IsZero reports whether nothing was proved.
func (c Credential) IsZero() bool { return c == Credential{} }

// Digest returns the SHA-256 of the token that was shown, and false for a
// key. It finds the token again when two share a public id.
func (c Credential) Digest() (sum [32]byte, ok bool) { return c.digest, c.TokenID != "" }

// String returns the key's text or the token's public id, for logs.
func (c Credential) String() string {
	if c.TokenID != "" {
		return c.TokenID
	}
	return c.Key.String()
}

// Format keeps the digest out of every formatting verb.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// Identity is somebody, as an [IdentityProvider] knew them at one moment.
// The zero Identity is nobody and may do nothing.
//
// An Identity is a value: it does not change when the configuration does.
// Who keeps one for longer than a request resolves it again with
// IdentityProvider.Refresh before acting on it.
type Identity struct {
	Name       string     // the peer's or token's name; "self" for the owner
	Kind       Kind       // KindNobody: the other fields mean nothing
	Scopes     Scopes     // shared: read only
	Expires    time.Time  // zero: never
	Credential Credential // what proved it
}

// IsZero reports whether id is nobody.
func (id Identity) IsZero() bool { return id.Kind == KindNobody }

// Expired reports whether id has expired at t. An identity is good before its
// expiry time and not at it.
func (id Identity) Expired(t time.Time) bool {
	return !id.Expires.IsZero() && !t.Before(id.Expires)
}

// Allow reports whether id may do a: it is somebody, has not expired, and a
// scope covers the action.
func (id Identity) Allow(a Action) bool { return id.live() && id.Scopes.Allow(a) }

// AllowSome is [Scopes.AllowSome] for an identity that has not expired.
func (id Identity) AllowSome(area, verb string) bool {
	return id.live() && id.Scopes.AllowSome(area, verb)
}

func (id Identity) live() bool {
	return !id.IsZero() && (id.Expires.IsZero() || !id.Expired(time.Now()))
}

// String returns the kind and name, as "peer laptop".
func (id Identity) String() string {
	if id.IsZero() {
		return KindNobody.String()
	}
	return id.Kind.String() + " " + id.Name
}

// LogValue gives logs the kind, the name and the credential, not the scopes.
func (id Identity) LogValue() slog.Value {
	if id.IsZero() {
		return slog.StringValue(KindNobody.String())
	}
	return slog.GroupValue(
		slog.String("kind", id.Kind.String()),
		slog.String("name", id.Name),
		slog.String("credential", id.Credential.String()),
	)
}

// IdentityProvider resolves credentials. Implementations answer from memory,
// never wait for I/O, and are safe for concurrent use. On error the Identity
// is zero and the error is one of this package's sentinels, possibly wrapped.
type IdentityProvider interface {
	// ByKey resolves a key whose possession the caller has seen proved.
	// Errors: ErrUnknownKey, ErrDisabled, ErrExpired.
	ByKey(ctx context.Context, k Key) (Identity, error)

	// ByToken resolves a bearer token as it was presented. Errors:
	// ErrUnknownToken, ErrExpired.
	ByToken(ctx context.Context, token string) (Identity, error)

	// Refresh resolves the credential of id again and returns the identity
	// as it is now, with its present scopes. It fails as ByKey and ByToken
	// do, with ErrUnknownKey when the credential now proves somebody of
	// another name, and with ErrNobody for the zero Identity.
	Refresh(ctx context.Context, id Identity) (Identity, error)
}
