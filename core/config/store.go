package config

import (
	"context"
	"crypto/subtle"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/core/auth"
)

// Store owns the configuration in force and resolves identities from it. It
// is safe for concurrent use; readers never wait for writers.
type Store struct {
	owner   auth.Key
	mu      sync.Mutex // serialises writers
	current atomic.Pointer[Snapshot]
}

var _ auth.IdentityProvider = (*Store)(nil)

// NewStore checks d and returns a store that holds it. The owner is the
// node's own key: it resolves to an identity of [auth.KindOwner] that may do
// everything, and no peer may list it. With the zero Key nobody is the owner.
func NewStore(owner auth.Key, d Dynamic) (*Store, error) {
	first, err := newSnapshot(owner, d)
	if err != nil {
		return nil, fmt.Errorf("load configuration: %w", err)
	}
	s := &Store{owner: owner}
	s.current.Store(first)
	return s, nil
}

// Load returns the configuration in force.
func (s *Store) Load() *Snapshot { return s.current.Load() }

// Dynamic returns a copy of the configuration in force, as it was given.
func (s *Store) Dynamic() Dynamic { return s.Load().Dynamic() }

// Limits returns the limits in force, defaults filled in.
func (s *Store) Limits() Limits { return s.Load().Limits() }

// Swap puts d in place of the configuration in force. When d has a fault,
// the error tells all of them and nothing changes. What d refers to may be
// changed by the caller afterwards.
func (s *Store) Swap(d Dynamic) error {
	return s.Update(func(next *Dynamic) error {
		*next = d
		return nil
	})
}

// Update changes the configuration in force: edit gets a copy, and what it
// makes of it is swapped in. Updates are serialised, so none is lost between
// reading and writing. When edit fails its error is returned as it is and
// nothing changes. The edit function must not call Swap or Update.
func (s *Store) Update(edit func(*Dynamic) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.current.Load()
	d := old.Dynamic()
	if err := edit(&d); err != nil {
		return err
	}
	next, err := newSnapshot(s.owner, d)
	if err != nil {
		return fmt.Errorf("swap configuration: %w", err)
	}
	s.current.Store(next)
	close(old.changed)
	return nil
}

// Changed returns a channel that is closed when the configuration in force at
// the time of the call has been replaced. To miss no change, call it before
// looking at the configuration:
//
//	for {
//		changed := store.Changed()
//		recheck()
//		select {
//		case <-changed:
//		case <-ctx.Done():
//			return
//		}
//	}
//
// Expiry closes no channel: who holds a connection also watches
// [auth.Identity.Expires].
func (s *Store) Changed() <-chan struct{} { return s.Load().changed }

// ByKey implements [auth.IdentityProvider].
func (s *Store) ByKey(_ context.Context, k auth.Key) (auth.Identity, error) {
	e, ok := s.Load().keys[k]
	if !ok || k.IsZero() {
		return auth.Identity{}, auth.ErrUnknownKey
	}
	return e.resolve(time.Now())
}

// ByToken implements [auth.IdentityProvider].
func (s *Store) ByToken(_ context.Context, token string) (auth.Identity, error) {
	sum, ok := auth.TokenDigest(token)
	if !ok {
		return auth.Identity{}, auth.ErrUnknownToken
	}
	return s.byDigest(sum)
}

// byDigest: the map's timing depends on a digest that its sender cannot steer
// towards a stored one; the comparison that decides is constant in time.
func (s *Store) byDigest(sum [32]byte) (auth.Identity, error) {
	e, ok := s.Load().tokens[sum]
	if !ok {
		return auth.Identity{}, auth.ErrUnknownToken
	}
	stored, _ := e.id.Credential.Digest()
	if subtle.ConstantTimeCompare(stored[:], sum[:]) != 1 {
		return auth.Identity{}, auth.ErrUnknownToken
	}
	return e.resolve(time.Now())
}

// Refresh implements [auth.IdentityProvider].
func (s *Store) Refresh(ctx context.Context, id auth.Identity) (auth.Identity, error) {
	if id.IsZero() || id.Credential.IsZero() {
		return auth.Identity{}, auth.ErrNobody
	}
	var now auth.Identity
	var err error
	sum, isToken := id.Credential.Digest()
	if isToken {
		now, err = s.byDigest(sum)
	} else {
		now, err = s.ByKey(ctx, id.Credential.Key)
	}
	if err != nil {
		return auth.Identity{}, err
	}
	if now.Name != id.Name || now.Kind != id.Kind {
		if isToken {
			return auth.Identity{}, auth.ErrUnknownToken
		}
		return auth.Identity{}, auth.ErrUnknownKey
	}
	return now, nil
}
