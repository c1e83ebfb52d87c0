package dial

import (
	"sync"
	"time"
)

const (
	pathMemory = time.Hour
	maxPaths   = 1024
	// silences in a row make a transport count as blocked. One proves little:
	// with 30 % of the packets lost, half of the handshakes take about as long
	// as QUIC's head start, or longer (docs/network.md).
	silences = 3
)

// evidence is for a transport's being blocked.
type evidence int

const (
	none evidence = iota
	likely
	certain
)

// paths remembers which transport had no answer from which node while the
// other had one.
type paths struct {
	mu sync.Mutex
	m  map[Target]path // protected by mu
}

type path struct {
	silent [2]silence // by Transport
	seen   time.Time
}

type silence struct {
	times int // in a row
	last  time.Time
}

func (p *paths) blocked(t Target, now time.Time) (blocked [2]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range p.m[t].silent {
		blocked[i] = s.times >= silences && now.Sub(s.last) < pathMemory
	}
	return blocked
}

// won notes that transport has answered, and that the other was silent.
func (p *paths) won(t Target, transport Transport, other evidence, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.m[t]
	e.silent[transport] = silence{}
	s := &e.silent[1-transport]
	switch other {
	case likely:
		*s = silence{s.times + 1, now}
	case certain:
		*s = silence{silences, now}
	}
	if e.silent == ([2]silence{}) {
		delete(p.m, t)
		return
	}
	if p.m == nil {
		p.m = make(map[Target]path)
	}
	if _, present := p.m[t]; !present && len(p.m) >= maxPaths {
		p.evict()
	}
	e.seen = now
	p.m[t] = e
}

func (p *paths) evict() {
	var oldest Target
	var at time.Time
	for t, e := range p.m {
		if at.IsZero() || e.seen.Before(at) {
			oldest, at = t, e.seen
		}
	}
	delete(p.m, oldest)
}
