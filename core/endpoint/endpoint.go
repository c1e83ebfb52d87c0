package endpoint

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/core/tlsconf"
)

// DefaultDrainTimeout is how long Shutdown waits for connections to end.
const DefaultDrainTimeout = 10 * time.Second

// An Endpoint accepts the connections of a node. Set its fields before Listen
// and do not change them afterwards. Its methods may be called concurrently. It
// is used once: after Shutdown, make a new one.
type Endpoint struct {
	// Router serves the connections. Required.
	Router *core.Router
	// TLS holds the certificates. Required. If it names no protocols, Listen
	// gives it those of the router.
	TLS *tlsconf.Server
	// Identities resolves the keys of client certificates; nil knows nobody.
	Identities auth.IdentityProvider
	// Changed returns a channel that is closed at the next change of what
	// Identities knows (config.Store.Changed). nil means that it never changes.
	Changed func() <-chan struct{}
	// Limits returns the limits in force; nil means the defaults.
	Limits func() config.Limits

	// Logger gets a line for every key that a client proves and for every
	// failed handshake; nil discards. The router logs the connections.
	Logger *slog.Logger
	// Metrics counts; nil discards.
	Metrics Metrics
	// Observe, if set, is told of connections and of attempts to prove an
	// identity, by the goroutines that serve them: it is called concurrently
	// and must not block.
	Observe func(Event)

	// DrainTimeout is how long Shutdown waits for connections to end before
	// it stops their handlers; zero means DefaultDrainTimeout.
	DrainTimeout time.Duration

	// StatelessResetKey lets peers notice at once that this node was
	// restarted (RFC 9000, section 10.3). TokenKey keeps address validation
	// tokens good across a restart (section 8.1.3). Both should be the same
	// for the life of a node and unknown to everybody else. If zero, no resets
	// are sent and a random key is used.
	StatelessResetKey, TokenKey [32]byte

	// NoGRO turns batched receiving on Linux off.
	NoGRO bool

	once     sync.Once
	gate     gate
	ledger   ledger
	conns    sync.WaitGroup // connections, from accept to the end of the handler
	loops    sync.WaitGroup // accept loops and the watcher
	tcpLoops sync.WaitGroup // those of TCP, again
	stopOnce sync.Once
	nowOnce  sync.Once
	now      chan struct{} // closed by Close: do not drain
	ended    chan struct{} // closed when everything has ended
	accepts  chan struct{} // closed when Serve accepts

	accepting  context.Context // ends when Shutdown begins
	refuse     context.CancelFunc
	shaking    context.Context // ends a little later; handshakes' context
	cutShaking context.CancelFunc
	running    context.Context // ends at the hard stop; handlers' context
	stopRunner context.CancelFunc

	mu       sync.Mutex // protects what follows
	sockets  []*socket
	serving  bool
	stopping bool  // Shutdown has begun
	full     bool  // no connection is counted in any more
	fault    error // that ended an accept loop
	stopErr  error // of the drain; read after ended
	live     map[*live]struct{}

	wallClock     func() time.Time // set by tests, which cannot make the machine sleep
	countLoopback bool             // set by tests, which have no other addresses
}

var (
	errNotListening = errors.New("serve: no address to serve: call Listen first")
	errServing      = errors.New("endpoint is serving already")
)

func (e *Endpoint) init() {
	e.once.Do(func() {
		if e.wallClock == nil {
			e.wallClock = time.Now
		}
		e.gate.limit = func() int { return e.limits().Handshakes }
		e.ledger = ledger{limits: e.limits}
		e.live = make(map[*live]struct{})
		e.now, e.ended, e.accepts = make(chan struct{}), make(chan struct{}), make(chan struct{})
		e.accepting, e.refuse = context.WithCancel(context.Background())
		e.shaking, e.cutShaking = context.WithCancel(context.Background())
		e.running, e.stopRunner = context.WithCancel(context.Background())
	})
}

func (e *Endpoint) limits() config.Limits {
	if e.Limits == nil {
		return config.Limits{}.WithDefaults()
	}
	return e.Limits().WithDefaults()
}

// Addrs lists the addresses of Listen and ListenOn, with their real ports, the same
// for UDP and TCP.
func (e *Endpoint) Addrs() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var addrs []string
	for _, s := range e.sockets {
		addrs = append(addrs, s.tcp.Addr().String())
	}
	return addrs
}

// Accepting returns a channel that is closed once Serve accepts connections on
// every address. It stays open if Serve fails before.
func (e *Endpoint) Accepting() <-chan struct{} {
	e.init()
	return e.accepts
}

// Transport returns the QUIC transport whose socket can reach remote, so that a
// node dials from the port it listens on, or nil. Whoever dials on it closes
// those connections before Shutdown; it ends them without a word.
func (e *Endpoint) Transport(remote netip.Addr) *quic.Transport {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.sockets {
		if s.reaches(remote.Unmap()) {
			return s.transport
		}
	}
	return nil
}

// Handshakes is the number of handshakes in flight.
func (e *Endpoint) Handshakes() int { return e.gate.count() }

// Info describes one connection that is being served.
type Info struct {
	Since      time.Time `json:"since"` // end of the handshake
	RemoteAddr string    `json:"remote_addr"`
	ALPN       string    `json:"alpn"`
	Transport  string    `json:"transport"`      // "quic" or "tcp"
	Kind       auth.Kind `json:"kind"`           // of the identity proved last
	Peer       string    `json:"peer,omitempty"` // its name
}

// Connections lists the connections that are being served, oldest first.
func (e *Endpoint) Connections() []Info {
	var infos []Info
	for _, l := range e.snapshot() {
		infos = append(infos, l.info())
	}
	slices.SortFunc(infos, func(a, b Info) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.RemoteAddr, b.RemoteAddr))
	})
	return infos
}

func (e *Endpoint) snapshot() []*live {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]*live, 0, len(e.live))
	for l := range e.live {
		all = append(all, l)
	}
	return all
}

// prefix is what limits count addr under: nothing for loopback.
func (e *Endpoint) prefix(addr net.Addr) netip.Prefix {
	var ip netip.Addr
	switch a := addr.(type) {
	case *net.TCPAddr:
		ip = a.AddrPort().Addr()
	case *net.UDPAddr:
		ip = a.AddrPort().Addr()
	}
	if ip.Unmap().IsLoopback() && !e.countLoopback {
		return netip.Prefix{}
	}
	return config.RemotePrefix(ip)
}
