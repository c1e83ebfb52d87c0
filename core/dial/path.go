package dial

import (
	"sync"
	"time"
)

const (
	pathMemory = time.Hour
	maxPaths   = 1024
)

// paths remembers which transport had no answer from which node while the
// other had one.
type paths struct {
	mu sync.Mutex
	m  map[Target]path // protected by mu
}

type path struct {
	silent [2]time.Time // by Transport: when that was seen last; zero: never
	seen   time.Time
}

func (p *paths) blocked(t Target, now time.Time) (blocked [2]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, at := range p.m[t].silent {
		blocked[i] = !at.IsZero() && now.Sub(at) < pathMemory
	}
	return blocked
}

// won notes that transport has answered, and whether the other was silent.
func (p *paths) won(t Target, transport Transport, otherSilent bool, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.m[t]
	e.silent[transport] = time.Time{}
	if otherSilent {
		e.silent[1-transport] = now
	}
	if e.silent == ([2]time.Time{}) {
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
