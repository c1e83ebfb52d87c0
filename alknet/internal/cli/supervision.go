package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/alkdev/alknet/alknet/internal/systemd"
	"github.com/alkdev/alknet/alknet/node"
)

// drainStep is how much time a draining node asks for at once, and asks again
// well before it is over.
const drainStep = 30 * time.Second

// supervision is what a service manager is told of the node.
type supervision struct {
	manager *systemd.Manager
	stderr  io.Writer
	tell    func(node.State) // Windows' manager, or nil

	mu       sync.Mutex
	status   string // for READY
	stopping bool
}

// sockets hands the passed sockets on.
func (s *supervision) sockets() (out []node.Socket) {
	for _, p := range s.manager.Sockets {
		out = append(out, node.Socket{TCP: p.TCP, UDP: p.UDP})
	}
	s.manager.Sockets = nil
	return out
}

func (s *supervision) notify(state node.State) {
	if s.tell != nil {
		s.tell(state)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case node.Ready:
		s.check(s.manager.Ready(s.status))
	case node.Reloading:
		s.check(s.manager.Reloading())
	case node.Stopping:
		s.stopping = true
		s.check(s.manager.Stopping("taking nothing new, waiting for running work", drainStep))
	}
}

func (s *supervision) check(err error) {
	if err != nil {
		fmt.Fprintln(s.stderr, "alknet: "+oneLine(err))
	}
}

// watch answers the watchdog as long as the node is alive, and asks for time
// while it drains, until the returned function is called.
func (s *supervision) watch(n *node.Node) (stop func()) {
	s.mu.Lock()
	s.status = "serving on " + strings.Join(n.Addrs(), ", ") + " as " + n.ID().String()
	s.mu.Unlock()
	if !s.manager.Notifies() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.beat(ctx, n)
	}()
	return func() { cancel(); <-done }
}

func (s *supervision) beat(ctx context.Context, n *node.Node) {
	every := drainStep / 3
	if w := s.manager.Watchdog; w > 0 {
		every = min(every, w/3)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if s.manager.Watchdog > 0 {
			alive, cancel := context.WithTimeout(ctx, every)
			err := n.Alive(alive)
			cancel()
			if err == nil {
				s.check(s.manager.Alive())
			} else if ctx.Err() == nil {
				s.check(fmt.Errorf("the node does not answer its watchdog: %w", err))
			}
		}
		s.mu.Lock()
		stopping := s.stopping
		s.mu.Unlock()
		if stopping {
			s.check(s.manager.Extend(drainStep))
		}
	}
}
