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

func (l *ledger) change(p netip.Prefix, handshakes, unproven int) bool {
	if !p.IsValid() {
		return true
	}
	limit := l.limits().ConnsPerIP
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

func (l *ledger) beginHandshake(p netip.Prefix) bool { return l.change(p, 1, 0) }
func (l *ledger) endHandshake(p netip.Prefix)        { l.change(p, -1, 0) }

// add counts a connection under id, or under p while id is nobody.
func (l *ledger) add(id auth.Identity, p netip.Prefix) bool {
	if id.IsZero() {
		return l.change(p, 0, 1)
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
		l.change(p, 0, -1)
		return
	}
	name := identityName{id.Kind, id.Name}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.identities[name]--; l.identities[name] == 0 {
		delete(l.identities, name)
	}
}
