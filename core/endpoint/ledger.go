package endpoint

import (
	"net/netip"
	"sync"

	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
)

// ledger counts connections against the limits: those that have proved nothing
// by source prefix, the others by identity. Handshakes are counted apart, so
// that a source full of strangers does not keep a peer out. The zero Prefix is
// exempt.
type ledger struct {
	limits func() config.Limits

	mu         sync.Mutex // protects what follows
	sources    map[netip.Prefix]sourceCount
	identities map[identityName]int
}

type sourceCount struct{ handshakes, unproven int }

type identityName struct {
	kind auth.Kind
	name string
}

// change adds to the counts of p, none of which may grow beyond limit.
func (l *ledger) change(p netip.Prefix, handshakes, unproven, limit int) bool {
	if !p.IsValid() {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.sources[p]
	if handshakes > 0 && c.handshakes >= limit || unproven > 0 && c.unproven >= limit {
		return false
	}
	c.handshakes += handshakes
	c.unproven += unproven
	if c == (sourceCount{}) {
		delete(l.sources, p)
		return true
	}
	if l.sources == nil {
		l.sources = make(map[netip.Prefix]sourceCount)
	}
	l.sources[p] = c
	return true
}

const (
	// handshakeShares is how many sources it takes at least to use half of the
	// handshakes that the node has in flight; from there on a source gets
	// smallShare, so that the other half lasts for many more.
	handshakeShares = 8
	smallShare      = 8
)

// beginHandshake counts a handshake under p beside inFlight others of anybody.
func (l *ledger) beginHandshake(p netip.Prefix, inFlight int) bool {
	limits := l.limits()
	half := limits.Handshakes / 2
	share := smallShare
	if inFlight < half {
		share = max(share, half/handshakeShares)
	}
	return l.change(p, 1, 0, min(share, limits.ConnsPerIP))
}

func (l *ledger) endHandshake(p netip.Prefix) { l.change(p, -1, 0, 0) }

// add counts a connection under id, or under p while id is nobody.
func (l *ledger) add(id auth.Identity, p netip.Prefix) bool {
	if id.IsZero() {
		return l.change(p, 0, 1, l.limits().ConnsPerIP)
	}
	limit := l.limits().ConnsPerIdentity
	name := identityName{id.Kind, id.Name}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.identities[name] >= limit {
		return false
	}
	if l.identities == nil {
		l.identities = make(map[identityName]int)
	}
	l.identities[name]++
	return true
}

func (l *ledger) remove(id auth.Identity, p netip.Prefix) {
	if id.IsZero() {
		l.change(p, 0, -1, 0)
		return
	}
	name := identityName{id.Kind, id.Name}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.identities[name]--; l.identities[name] == 0 {
		delete(l.identities, name)
	}
}
