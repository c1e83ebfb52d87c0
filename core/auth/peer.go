package auth

import (
	"errors"
	"fmt"
	"time"
)

// Peer is one entry of the owner's list: a name with the keys that prove it
// and what it may do, over every protocol alike. The zero value is not a
// valid entry. A peer without scopes and roles is known and may do nothing.
type Peer struct {
	Name     string    `toml:"name" json:"name"`                             // see CheckName; unique
	Keys     []Key     `toml:"keys" json:"keys"`                             // at least one; no key twice in the whole list
	Scopes   []string  `toml:"scopes,omitempty" json:"scopes,omitempty"`     // see ParseScope
	Roles    []string  `toml:"roles,omitempty" json:"roles,omitempty"`       // names in Roles
	Disabled bool      `toml:"disabled,omitempty" json:"disabled,omitempty"` // refused with ErrDisabled while set
	Expires  time.Time `toml:"expires,omitempty" json:"expires,omitzero"`    // zero: never
	Note     string    `toml:"note,omitempty" json:"note,omitempty"`         // the owner's words, at most 1024 bytes
	Created  time.Time `toml:"created,omitempty" json:"created,omitzero"`    // when it was added; zero: not known
}

const maxNote = 1024

// Validate checks the entry by itself: name, keys, scopes and that its roles
// exist. Its error is an [*EntryError].
func (p Peer) Validate(roles Roles) error {
	_, err := p.Grant(roles)
	return err
}

// Grant is Validate, and returns what the peer may do.
func (p Peer) Grant(roles Roles) (Scopes, error) {
	scopes, err := p.grant(roles)
	if err != nil {
		return nil, &EntryError{Kind: "peer", Name: p.Name, Err: err}
	}
	return scopes, nil
}

func (p Peer) grant(roles Roles) (Scopes, error) {
	if err := CheckName(p.Name); err != nil {
		return nil, err
	}
	if len(p.Keys) == 0 {
		return nil, errors.New("it has no key; add one or remove the peer")
	}
	for i, k := range p.Keys {
		if k.IsZero() {
			return nil, fmt.Errorf("key %d is empty", i+1)
		}
	}
	if len(p.Note) > maxNote {
		return nil, fmt.Errorf("the note is longer than %d bytes", maxNote)
	}
	return roles.Expand(p.Roles, p.Scopes)
}

// ownerName is what the owner is called; no peer or token may take it.
const ownerName = "self"

// CheckName reports whether s can name a peer, a token, a role or a saved
// node: [a-z0-9][a-z0-9-]{0,62}, not "self" and not a valid node id.
func CheckName(s string) error {
	if s == "" || len(s) > 63 || s[0] == '-' {
		return errors.New("a name has 1 to 63 characters and does not begin with '-'")
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return errors.New("a name consists of lower-case letters, digits and '-'")
		}
	}
	if s == ownerName {
		return errors.New(`the name "self" stands for the node's owner; choose another`)
	}
	if _, err := ParseNodeID(s); err == nil {
		return errors.New("a name must not be a node id")
	}
	return nil
}

// Owner returns the identity of the node's own key on the node itself.
func Owner(k Key) Identity {
	return Identity{
		Name:       ownerName,
		Kind:       KindOwner,
		Scopes:     Scopes{{area: areaAdmin}},
		Credential: KeyCredential(k),
	}
}
