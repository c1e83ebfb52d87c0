package config

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// RemotePrefix returns the network that limits count a remote address under:
// /64 for IPv6, the address itself for IPv4, also when it is mapped into
// IPv6. Zones are dropped. For the zero Addr it returns the zero Prefix.
func RemotePrefix(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

// maxFailureSources bounds the memory of a Failures: about 1 MiB.
const maxFailureSources = 8192

// Failures counts failed authentication attempts by source prefix and says
// who has to wait. When more sources fail than it remembers (8192), the one
// that failed longest ago is forgotten. It is safe for concurrent use and
// starts no goroutine. Loopback counts like any other source.
//
// Tokens and keys cannot be guessed; the limit keeps what a guesser costs in
// signatures and log lines small. It therefore counts failures only, and a
// source behind it that shares its prefix with others makes them wait too.
type Failures struct {
	limits func() Limits

	mu      sync.Mutex // protects what follows
	sources map[netip.Prefix]*list.Element
	recent  *list.List // of *source, most recent failure first
}

type source struct {
	prefix netip.Prefix
	count  int
	since  time.Time
}

// NewFailures returns a counter that reads AuthFailures and AuthWindow from
// limits at every call, so that a swapped configuration binds at once:
//
//	failures := config.NewFailures(store.Limits)
func NewFailures(limits func() Limits) *Failures {
	return &Failures{limits: limits, sources: make(map[netip.Prefix]*list.Element), recent: list.New()}
}

// Wait returns how long a source has to wait before its next attempt, 0 when
// it may go on. Ask before spending anything on the attempt.
func (f *Failures) Wait(addr netip.Addr) time.Duration {
	l := f.limits().WithDefaults()
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	el, ok := f.sources[RemotePrefix(addr)]
	if !ok {
		return 0
	}
	s := el.Value.(*source)
	if s.count < l.AuthFailures {
		return 0
	}
	return max(0, s.since.Add(l.AuthWindow).Sub(now))
}

// Fail records a failed attempt.
func (f *Failures) Fail(addr netip.Addr) {
	window := f.limits().WithDefaults().AuthWindow
	now := time.Now()
	prefix := RemotePrefix(addr)
	f.mu.Lock()
	defer f.mu.Unlock()
	el, ok := f.sources[prefix]
	if !ok {
		if f.recent.Len() >= maxFailureSources {
			f.remove(f.recent.Back())
		}
		f.sources[prefix] = f.recent.PushFront(&source{prefix: prefix, count: 1, since: now})
		return
	}
	f.recent.MoveToFront(el)
	s := el.Value.(*source)
	if now.Sub(s.since) >= window {
		s.count, s.since = 0, now
	}
	s.count++
}

// Clear forgets a source's failures. Call it when an identity was proved.
func (f *Failures) Clear(addr netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if el, ok := f.sources[RemotePrefix(addr)]; ok {
		f.remove(el)
	}
}

// Len returns how many sources are remembered.
func (f *Failures) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.recent.Len()
}

func (f *Failures) remove(el *list.Element) {
	delete(f.sources, el.Value.(*source).prefix)
	f.recent.Remove(el)
}
