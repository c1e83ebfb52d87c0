package config

import (
	"errors"
	"fmt"

	"github.com/alkdev/alknet/core/auth"
)

// Dynamic is the configuration that can change without a restart. The zero
// value is valid: no peers, no tokens, and every limit at its default.
type Dynamic struct {
	Peers  []auth.Peer  `toml:"peers,omitempty" json:"peers,omitempty"`
	Tokens []auth.Token `toml:"tokens,omitempty" json:"tokens,omitempty"`
	Roles  auth.Roles   `toml:"roles,omitempty" json:"roles,omitempty"`
	Limits Limits       `toml:"limits,omitempty" json:"limits,omitzero"`
}

// Validate reports every fault of d, joined. Peers, tokens and roles report
// as [*auth.EntryError]. Refused are: names that occur twice among peers or
// among tokens, a key at two peers or twice at one, a token hash that occurs
// twice, scopes that do not parse, roles that do not exist, limits below 0.
func (d Dynamic) Validate() error {
	_, err := newSnapshot(auth.Key{}, d)
	return err
}

// Clone returns a copy that shares no memory with d.
func (d Dynamic) Clone() Dynamic {
	c := Dynamic{Limits: d.Limits}
	for _, p := range d.Peers {
		p.Keys = append([]auth.Key(nil), p.Keys...)
		p.Scopes = append([]string(nil), p.Scopes...)
		p.Roles = append([]string(nil), p.Roles...)
		c.Peers = append(c.Peers, p)
	}
	for _, t := range d.Tokens {
		t.Scopes = append([]string(nil), t.Scopes...)
		t.Roles = append([]string(nil), t.Roles...)
		c.Tokens = append(c.Tokens, t)
	}
	if d.Roles != nil {
		c.Roles = make(auth.Roles, len(d.Roles))
		for name, scopes := range d.Roles {
			c.Roles[name] = append([]string(nil), scopes...)
		}
	}
	return c
}

var (
	errTwiceNamed = errors.New("the name occurs twice")
	errTwiceHash  = errors.New("another token has the same hash")
	errTwiceKey   = errors.New("it lists the same key twice")
	errOwnerKey   = errors.New("it lists this node's own key, which already is its owner")
)

func entryError(kind, name string, err error) error {
	return &auth.EntryError{Kind: kind, Name: name, Err: err}
}

func sharedKey(k auth.Key, other string) error {
	return fmt.Errorf("key %s belongs to peer %q already", k, other)
}
