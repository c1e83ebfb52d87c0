package endpoint

import (
	"context"
	"sync"
)

// gate bounds how many handshakes are in flight.
type gate struct {
	limit func() int

	mu     sync.Mutex // protects what follows
	inside int
	freed  chan struct{} // closed when somebody leaves; nil if nobody waits
}

func (g *gate) tryEnter() bool {
	limit := g.limit()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside >= limit {
		return false
	}
	g.inside++
	return true
}

func (g *gate) enter(ctx context.Context) error {
	for {
		limit := g.limit()
		g.mu.Lock()
		if g.inside < limit {
			g.inside++
			g.mu.Unlock()
			return nil
		}
		freed := g.wait()
		g.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// empty waits until nobody is inside, or ctx ends.
func (g *gate) empty(ctx context.Context) {
	for {
		g.mu.Lock()
		if g.inside == 0 {
			g.mu.Unlock()
			return
		}
		freed := g.wait()
		g.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return
		}
	}
}

// wait is called with g.mu held.
func (g *gate) wait() <-chan struct{} {
	if g.freed == nil {
		g.freed = make(chan struct{})
	}
	return g.freed
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.freed != nil {
		close(g.freed)
		g.freed = nil
	}
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside
}
