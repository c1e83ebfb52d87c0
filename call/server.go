package call

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
)

// A Server answers calls of other nodes. It is a core.ProtocolHandler, so that
// a node serves it under [ALPN]; the same Server also answers on connections
// that were dialled from here ([WithServer]) and in this process
// ([Server.Local]). Its fields are frozen by the first use.
type Server struct {
	// Registry holds the operations of this node. Required.
	Registry *Registry
	// Peers is what connected peers offer; nil means that they offer nothing.
	Peers *Peers
	// Identities resolves the tokens that requests carry and renews the
	// identity of a connection at each request. Without it no token resolves.
	Identities core.IdentityProvider
	// Failures limits the guessing of tokens; nil means no limit.
	Failures *config.Failures
	// Ownership decides who owns resources; nil leaves it to scopes.
	Ownership Ownership
	// Session, if set, returns the operations of the session that a request
	// belongs to, which its handler may compose; nil if there are none.
	Session func(ctx context.Context, r *Request) *Registry
	// Logger gets failed handlers, malformed frames and token attempts, and
	// never inputs or outputs; nil discards.
	Logger *slog.Logger
	Limits Limits
	// Connected, if set, runs on a goroutine of its own for each connection
	// that is served; ctx ends with the connection. It may call back.
	Connected func(ctx context.Context, c *Client)

	mu       sync.Mutex
	clients  map[*Client]struct{}
	inFlight map[caller]int
	draining bool
}

// ALPNs is [ALPN].
func (s *Server) ALPNs() []string { return []string{ALPN} }

// Handle serves one connection until it ends.
func (s *Server) Handle(ctx context.Context, conn core.Connection, who *core.AuthContext) error {
	c := newClient(ctx, conn, clientOptions{server: s, who: who, accepted: true})
	return c.run()
}

// drainGrace is for the last answers to arrive.
const drainGrace = 100 * time.Millisecond

// Drain refuses new calls, ends subscriptions with an error that says why,
// waits for running calls, and closes the connections.
func (s *Server) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	clients := s.serving()
	s.mu.Unlock()
	for _, c := range clients {
		c.stopSubscriptions()
	}
	for _, accepted := range []bool{true, false} { // calls that come in may go on over what was dialled
		drain(ctx, clients, accepted)
	}
	return ctx.Err()
}

func drain(ctx context.Context, clients []*Client, accepted bool) {
	var wg sync.WaitGroup
	for _, c := range clients {
		if c.accepted != accepted {
			continue
		}
		wg.Go(func() {
			if c.quiet(ctx) {
				grace, cancel := context.WithTimeout(ctx, drainGrace)
				c.flush(grace)
				core.Linger(grace, c.conn)
				cancel()
			}
			c.end(core.CodeShutdown, errDraining)
		})
	}
	wg.Wait()
}

// serving lists the connections. s.mu is held.
func (s *Server) serving() []*Client {
	all := make([]*Client, 0, len(s.clients))
	for c := range s.clients {
		all = append(all, c)
	}
	return all
}

// join adds a connection; it reports false while the node stops.
func (s *Server) join(c *Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	if s.clients == nil {
		s.clients = map[*Client]struct{}{}
	}
	s.clients[c] = struct{}{}
	return true
}

func (s *Server) leave(c *Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
}

// A caller is an identity: peers, tokens and operations have names of their own.
type caller struct {
	kind auth.Kind
	name string
}

// acquire counts a call of an identity, and reports false above the limit.
func (s *Server) acquire(id core.Identity, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	who := caller{id.Kind, id.Name}
	if s.inFlight[who] >= limit {
		return false
	}
	if s.inFlight == nil {
		s.inFlight = map[caller]int{}
	}
	s.inFlight[who]++
	return true
}

func (s *Server) release(id core.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who := caller{id.Kind, id.Name}
	if s.inFlight[who]--; s.inFlight[who] == 0 {
		delete(s.inFlight, who)
	}
}

func (s *Server) stopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

func (s *Server) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger
}
