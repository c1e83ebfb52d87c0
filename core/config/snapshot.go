package config

import (
	"errors"
	"time"

	"github.com/alkdev/alknet/core/auth"
)

// Snapshot is one configuration, checked and compiled. It never changes and
// is safe for concurrent use.
type Snapshot struct {
	dynamic Dynamic
	limits  Limits
	keys    map[auth.Key]entry
	tokens  map[[32]byte]entry
	changed chan struct{} // closed when the next snapshot is in place
}

type entry struct {
	id       auth.Identity
	disabled bool
}

func (e entry) resolve(now time.Time) (auth.Identity, error) {
	if e.disabled {
		return auth.Identity{}, auth.ErrDisabled
	}
	if e.id.Expired(now) {
		return auth.Identity{}, auth.ErrExpired
	}
	return e.id, nil
}

// Dynamic returns a copy of the configuration as it was given.
func (s *Snapshot) Dynamic() Dynamic { return s.dynamic.Clone() }

// Limits returns the limits in force, defaults filled in.
func (s *Snapshot) Limits() Limits { return s.limits }

func newSnapshot(owner auth.Key, d Dynamic) (*Snapshot, error) {
	b := builder{
		Snapshot: &Snapshot{
			dynamic: d.Clone(),
			limits:  d.Limits.WithDefaults(),
			keys:    make(map[auth.Key]entry, len(d.Peers)+1),
			tokens:  make(map[[32]byte]entry, len(d.Tokens)),
			changed: make(chan struct{}),
		},
		owner: owner,
	}
	b.check(d.Limits.Validate())
	b.check(d.Roles.Validate())
	if len(b.errs) == 0 { // a faulty role would be told again at every entry
		b.peers()
		b.tokenEntries()
	}
	if err := errors.Join(b.errs...); err != nil {
		return nil, err
	}
	if !owner.IsZero() {
		b.keys[owner] = entry{id: auth.Owner(owner)}
	}
	return b.Snapshot, nil
}

type builder struct {
	*Snapshot
	owner auth.Key
	errs  []error
}

// maxErrors keeps the refusal of a wholly broken file readable.
const maxErrors = 20

func (b *builder) check(err error) {
	if err != nil && len(b.errs) < maxErrors {
		b.errs = append(b.errs, err)
	}
}

func (b *builder) peers() {
	names := make(map[string]bool, len(b.dynamic.Peers))
	for _, p := range b.dynamic.Peers {
		scopes, err := p.Grant(b.dynamic.Roles)
		if err != nil {
			b.check(err)
			continue
		}
		if names[p.Name] {
			b.check(entryError("peer", p.Name, errTwiceNamed))
			continue
		}
		names[p.Name] = true
		for _, k := range p.Keys {
			b.check(b.addKey(p, k, scopes))
		}
	}
}

func (b *builder) addKey(p auth.Peer, k auth.Key, scopes auth.Scopes) error {
	if k == b.owner {
		return entryError("peer", p.Name, errOwnerKey)
	}
	if other, ok := b.keys[k]; ok {
		if other.id.Name == p.Name {
			return entryError("peer", p.Name, errTwiceKey)
		}
		return entryError("peer", p.Name, sharedKey(k, other.id.Name))
	}
	b.keys[k] = entry{disabled: p.Disabled, id: auth.Identity{
		Name:       p.Name,
		Kind:       auth.KindPeer,
		Scopes:     scopes,
		Expires:    p.Expires,
		Credential: auth.KeyCredential(k),
	}}
	return nil
}

func (b *builder) tokenEntries() {
	names := make(map[string]bool, len(b.dynamic.Tokens))
	for _, t := range b.dynamic.Tokens {
		scopes, err := t.Grant(b.dynamic.Roles)
		if err != nil {
			b.check(err)
			continue
		}
		if names[t.Name] {
			b.check(entryError("token", t.Name, errTwiceNamed))
			continue
		}
		names[t.Name] = true
		b.check(b.addToken(t, scopes))
	}
}

func (b *builder) addToken(t auth.Token, scopes auth.Scopes) error {
	cred, err := t.Credential()
	if err != nil {
		return err
	}
	sum, _ := cred.Digest()
	if _, ok := b.tokens[sum]; ok {
		return entryError("token", t.Name, errTwiceHash)
	}
	b.tokens[sum] = entry{id: auth.Identity{
		Name:       t.Name,
		Kind:       auth.KindToken,
		Scopes:     scopes,
		Expires:    t.Expires,
		Credential: cred,
	}}
	return nil
}
