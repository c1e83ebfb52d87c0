// Package peerbook keeps peers.toml: who the owner lets in, and the API keys
// that were given out. The program writes it; people may read it.
package peerbook

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/core/auth"
)

// Book is the whole file.
type Book struct {
	Peers  []auth.Peer  `toml:"peer,omitempty"`
	Tokens []auth.Token `toml:"token,omitempty"`
}

// Errors that callers test for.
var (
	ErrNoPeer  = errors.New("no such peer")
	ErrNoToken = errors.New("no such token")
)

const (
	maxFile = 64 << 20
	header  = "# Peers and tokens of this node. Written by 'alknet peer' and 'alknet token'.\n\n"
)

// Load reads the file; one that does not exist is an empty book.
func Load(path string) (*Book, error) {
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Book{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read peers: %w", err)
	}
	if fi.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, more than a list of peers can have: restore it from a backup", path, fi.Size())
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read peers: %w", err)
	}
	return Parse(raw, path)
}

// Parse reads the file's text; name is for errors.
func Parse(raw []byte, name string) (*Book, error) {
	var b Book
	dec := toml.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		var de *toml.DecodeError
		if errors.As(err, &de) {
			row, col := de.Position()
			return nil, fmt.Errorf("%s:%d:%d: %w", name, row, col, err)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &b, nil
}

// Save replaces the file.
func (b *Book) Save(path string) error {
	raw, err := toml.Marshal(b)
	if err != nil {
		return fmt.Errorf("write peers: %w", err)
	}
	return datadir.WriteFile(path, append([]byte(header), raw...), 0o600)
}

// A Change is one edit of the book, in a form that can be sent to the running
// node. Exactly one field is set.
type Change struct {
	AddPeer     *auth.Peer  `json:"add_peer,omitempty"` // a new peer, or one more key and more rights for a known one
	RemovePeer  *RemovePeer `json:"remove_peer,omitempty"`
	EnablePeer  string      `json:"enable_peer,omitempty"`
	DisablePeer string      `json:"disable_peer,omitempty"`
	AddToken    *NewToken   `json:"add_token,omitempty"`
	RemoveToken string      `json:"remove_token,omitempty"` // name or public id
}

// RemovePeer takes one key of a peer, or the peer if Key is zero.
type RemovePeer struct {
	Name string   `json:"name"`
	Key  auth.Key `json:"key"`
}

// NewToken is a token with its hash, which auth.Token keeps out of JSON.
type NewToken struct {
	auth.Token
	Hash string `json:"hash"`
}

// Apply edits the book. An error leaves it as it was.
func (b *Book) Apply(c Change, now time.Time) error {
	if n := c.fields(); n != 1 {
		return fmt.Errorf("a change of %d things: one change at a time", n)
	}
	switch {
	case c.AddPeer != nil:
		return b.addPeer(*c.AddPeer, now)
	case c.RemovePeer != nil:
		return b.removePeer(*c.RemovePeer)
	case c.EnablePeer != "":
		return b.setDisabled(c.EnablePeer, false)
	case c.DisablePeer != "":
		return b.setDisabled(c.DisablePeer, true)
	case c.AddToken != nil:
		return b.addToken(*c.AddToken, now)
	case c.RemoveToken != "":
		return b.removeToken(c.RemoveToken)
	}
	return nil
}

func (c Change) fields() (n int) {
	for _, set := range []bool{c.AddPeer != nil, c.RemovePeer != nil, c.EnablePeer != "", c.DisablePeer != "", c.AddToken != nil, c.RemoveToken != ""} {
		if set {
			n++
		}
	}
	return n
}

// Peer finds a peer by name.
func (b *Book) Peer(name string) (auth.Peer, error) {
	i := b.peerIndex(name)
	if i < 0 {
		return auth.Peer{}, fmt.Errorf("%q: %w: see 'alknet peer list'", name, ErrNoPeer)
	}
	return b.Peers[i], nil
}

func (b *Book) peerIndex(name string) int {
	return slices.IndexFunc(b.Peers, func(p auth.Peer) bool { return p.Name == name })
}

func (b *Book) addPeer(p auth.Peer, now time.Time) error {
	for _, other := range b.Peers {
		for _, k := range p.Keys {
			if slices.Contains(other.Keys, k) && other.Name != p.Name {
				return fmt.Errorf("key %s belongs to peer %q already: remove it there first", k, other.Name)
			}
		}
	}
	i := b.peerIndex(p.Name)
	if i < 0 {
		p.Created = now.UTC().Truncate(time.Second)
		b.Peers = append(b.Peers, p)
		return nil
	}
	old := b.Peers[i]
	old.Keys = union(old.Keys, p.Keys)
	old.Scopes = union(old.Scopes, p.Scopes)
	old.Roles = union(old.Roles, p.Roles)
	if !p.Expires.IsZero() {
		old.Expires = p.Expires
	}
	if p.Note != "" {
		old.Note = p.Note
	}
	b.Peers[i] = old
	return nil
}

func union[T comparable](a, more []T) []T {
	out := slices.Clone(a)
	for _, v := range more {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func (b *Book) removePeer(r RemovePeer) error {
	i := b.peerIndex(r.Name)
	if i < 0 {
		return fmt.Errorf("%q: %w: see 'alknet peer list'", r.Name, ErrNoPeer)
	}
	if r.Key.IsZero() {
		b.Peers = slices.Delete(b.Peers, i, i+1)
		return nil
	}
	keys := slices.DeleteFunc(slices.Clone(b.Peers[i].Keys), func(k auth.Key) bool { return k == r.Key })
	switch {
	case len(keys) == len(b.Peers[i].Keys):
		return fmt.Errorf("peer %q has no key %s: see 'alknet peer show %s'", r.Name, r.Key, r.Name)
	case len(keys) == 0:
		return fmt.Errorf("that is the only key of %q: run 'alknet peer remove %s' to remove the peer", r.Name, r.Name)
	}
	b.Peers[i].Keys = keys
	return nil
}

func (b *Book) setDisabled(name string, disabled bool) error {
	i := b.peerIndex(name)
	if i < 0 {
		return fmt.Errorf("%q: %w: see 'alknet peer list'", name, ErrNoPeer)
	}
	b.Peers[i].Disabled = disabled
	return nil
}

func (b *Book) addToken(n NewToken, now time.Time) error {
	t := n.Token
	t.Hash = n.Hash
	if slices.ContainsFunc(b.Tokens, func(o auth.Token) bool { return o.Name == t.Name }) {
		return fmt.Errorf("a token named %q exists already: choose another name, or revoke that one", t.Name)
	}
	t.Created = now.UTC().Truncate(time.Second)
	b.Tokens = append(b.Tokens, t)
	return nil
}

// removeToken takes the token of that name, else those of that public id.
func (b *Book) removeToken(which string) error {
	named := slices.ContainsFunc(b.Tokens, func(t auth.Token) bool { return t.Name == which })
	before := len(b.Tokens)
	b.Tokens = slices.DeleteFunc(b.Tokens, func(t auth.Token) bool { return t.Name == which || !named && t.ID == which })
	if len(b.Tokens) == before {
		return fmt.Errorf("%q: %w: see 'alknet token list'", which, ErrNoToken)
	}
	return nil
}
