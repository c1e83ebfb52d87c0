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
		if g.freed == nil {
			g.freed = make(chan struct{})
		}
		freed := g.freed
		g.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
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
