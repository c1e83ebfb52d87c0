package auth

import (
	"errors"
	"fmt"
)

// The answers of an [IdentityProvider] when a credential proves nobody. They
// are the contract: test them with errors.Is. None should be told apart
// towards the peer, who learns only that access is refused.
var (
	// ErrUnknownKey: no enabled or disabled peer carries the key.
	ErrUnknownKey = errors.New("key is not listed for any peer")
	// ErrUnknownToken: no entry has the token's hash.
	ErrUnknownToken = errors.New("token is not known")
	// ErrDisabled: the peer exists and was switched off by the owner.
	ErrDisabled = errors.New("peer is disabled")
	// ErrExpired: the peer or token is past its expiry time.
	ErrExpired = errors.New("credential has expired")
	// ErrNobody: the zero Identity was given to Refresh.
	ErrNobody = errors.New("identity is nobody's")
)

// ScopeError reports a scope that does not parse.
type ScopeError struct {
	Scope  string // as written
	Reason string // what is wrong and what to write instead
}

func (e *ScopeError) Error() string {
	return fmt.Sprintf("scope %q: %s", e.Scope, e.Reason)
}

// EntryError reports a configuration entry that cannot be accepted. The
// whole configuration it stands in is refused.
type EntryError struct {
	Kind string // "peer", "token" or "role"
	Name string // the entry's name as written, possibly empty
	Err  error  // what is wrong with it
}

func (e *EntryError) Error() string {
	return fmt.Sprintf("%s %q: %v", e.Kind, e.Name, e.Err)
}

// Unwrap returns what is wrong with the entry.
func (e *EntryError) Unwrap() error { return e.Err }
