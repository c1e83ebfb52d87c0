package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/alknet/internal/admin"
	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/internal/keyring"
	"github.com/alkdev/alknet/alknet/internal/metrics"
	"github.com/alkdev/alknet/alknet/internal/settings"
	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/acme"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/core/dial"
	"github.com/alkdev/alknet/core/endpoint"
	"github.com/alkdev/alknet/core/tlsconf"
)

// Config says how to open a node. The zero value opens the one in the
// platform's default data directory.
type Config struct {
	// Dir is the data directory; Init has set it up.
	Dir string
	// Listen replaces the addresses of config.toml, for example
	// "127.0.0.1:0" for a free port of loopback, the same for UDP and TCP.
	Listen []string
	// Sockets are bound already, by a service manager for example, and take
	// the place of all addresses; New owns them, also when it fails. Listen
	// must be empty then, and the addresses of config.toml have no effect.
	Sockets []Socket
	// Handlers serve protocols beside the node's own.
	Handlers []core.ProtocolHandler
	// Operations, if set, adds operations to those that the node serves as
	// alknet/call; New calls it once. The namespaces "node" and "local" are
	// the node's own.
	Operations func(*call.Registry) error
	// Logger replaces the one that config.toml describes.
	Logger *slog.Logger
	// Passphrase is asked for if the vault is sealed by one; nil fails then.
	Passphrase func(context.Context) (string, error)
	// Version is what status shows of the program.
	Version string
	// KeyFile holds the key that the vault is sealed to; empty means vault.key
	// in the data directory.
	KeyFile string
	// Notify, if set, is told what the node is doing, by one goroutine at a
	// time. It should return soon.
	Notify func(State)
}

// A Socket is one bound port: a listener of TCP, and the socket of UDP with the
// same address, or nil if New is to bind that.
type Socket struct {
	TCP *net.TCPListener
	UDP *net.UDPConn
}

// A State is what Config.Notify is told.
type State uint8

// The states of a node, in the order of its life.
const (
	// Ready comes once every listener accepts, and after each Reloading.
	Ready State = iota + 1
	// Reloading comes before the configuration is read again.
	Reloading
	// Stopping comes when nothing new is taken any more. It is the last one.
	Stopping
)

// Node is an open node: the ports are bound, nothing is served before Run.
// Its methods may be called concurrently.
type Node struct {
	cfg      Config
	dir      datadir.Dir
	settings settings.Settings // as of the start

	listensElsewhere bool // than config.toml says
	keys             *keyring.Keys
	unlock           func() error
	log              *slog.Logger
	started          time.Time

	store    *config.Store
	router   *core.Router
	metrics  *metrics.Registry
	web      *tlsconf.WebCertificates
	acme     *acme.Manager // nil without ACME
	endpoint *endpoint.Endpoint
	dialer   *dial.Dialer

	calls      *call.Server // of the network
	localCalls *call.Server // of the administration socket
	links      []*call.Link // of the imports
	watchers   watchers

	admin    net.Listener
	redirect net.Listener // nil without HTTP-01

	files   atomic.Pointer[certificateFiles]
	writing sync.Mutex // serialises writers of peers.toml, and reloads

	pulse     chan func() // what Run's loop does for Alive
	notifying sync.Mutex  // serialises Config.Notify; protects told
	told      State       // the last one, Reloading aside

	stop signal // Stop was called
	now  signal // Stop was called with now, and stop is raised after it
	once sync.Once
}

// New opens a node: it takes the lock of the data directory, unlocks the
// vault, and binds the addresses. Errors tell what is in the way. Close the
// node if you do not Run it.
func New(ctx context.Context, cfg Config) (_ *Node, err error) {
	n := &Node{cfg: cfg, started: time.Now(), pulse: make(chan func()), stop: newSignal(), now: newSignal()}
	defer n.closePassed() // what the endpoint has not taken
	if n.dir, err = datadir.At(cfg.Dir); err != nil {
		return nil, err
	}
	if cfg.KeyFile != "" {
		n.dir = n.dir.WithVaultKey(cfg.KeyFile)
	}
	if err := n.dir.Check(); err != nil {
		return nil, err
	}
	if n.unlock, err = n.dir.Lock(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			n.Close()
		}
	}()
	if n.settings, err = settings.Load(n.dir.Config()); err != nil {
		return nil, err
	}
	n.listensElsewhere = len(cfg.Listen)+len(cfg.Sockets) > 0
	if len(cfg.Listen) > 0 {
		n.settings.Listen = cfg.Listen
	}
	if n.log = cfg.Logger; n.log == nil {
		n.log = n.settings.Logger()
	}
	if n.keys, err = keyring.Open(ctx, n.dir, cfg.Passphrase); err != nil {
		return nil, err
	}
	if err := n.assemble(); err != nil {
		return nil, err
	}
	if err := n.listen(); err != nil {
		return nil, err
	}
	n.dialer.Transport = n.endpoint.Transport
	socket, err := n.dir.PlaceSocket()
	if err != nil {
		return nil, err
	}
	if n.admin, err = admin.Listen(socket); err != nil {
		return nil, err
	}
	return n, nil
}

// ID is the node's id.
func (n *Node) ID() auth.NodeID { return n.keys.NodeID() }

// Addrs lists the bound addresses, host:port, the same for UDP and TCP.
func (n *Node) Addrs() []string { return n.endpoint.Addrs() }

// Target is the node's own address in a form that Dial and every other node
// accept; with a wildcard listen address the host is loopback.
func (n *Node) Target() string {
	addrs := n.Addrs()
	if len(addrs) == 0 {
		return ""
	}
	host, port, err := net.SplitHostPort(addrs[0])
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return fmt.Sprintf("alknet://%s@%s", n.ID(), net.JoinHostPort(host, port))
}

// Dial reaches another node under this node's key, from the listening port
// where the transport is QUIC. Errors are those of package dial.
func (n *Node) Dial(ctx context.Context, node, alpn string, purpose dial.Purpose) (core.Connection, dial.Info, error) {
	target, err := dial.ParseTarget(node)
	if err != nil {
		return nil, dial.Info{}, err
	}
	return n.dialer.Dial(ctx, dial.Request{Target: target, ALPN: alpn, Purpose: purpose})
}

// Run serves until ctx ends, Stop is called or 'alknet stop' is, then drains:
// it takes nothing new, waits for running work up to the drain time, and ends
// what is left. It returns nil after an orderly stop and closes the node.
func (n *Node) Run(ctx context.Context) error {
	defer n.Close()
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	failed := make(chan error, 4+len(n.links))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.endpoint.Serve(context.Background()); !errors.Is(err, core.ErrServerClosed) {
			failed <- fmt.Errorf("serve: %w", err)
		}
	})
	wg.Go(func() {
		if err := admin.Serve(serving, n.admin, n.localCalls, auth.Owner(n.ID().Key())); err != nil {
			failed <- fmt.Errorf("administration socket: %w", err)
		}
	})
	if n.acme != nil {
		wg.Go(func() {
			if err := n.acme.Run(serving); err != nil && serving.Err() == nil {
				failed <- fmt.Errorf("certificates: %w", err)
			}
		})
	}
	if n.redirect != nil {
		wg.Go(func() {
			if err := n.serveRedirect(serving); err != nil {
				failed <- fmt.Errorf("redirect listener: %w", err)
			}
		})
	}
	for _, l := range n.links {
		wg.Go(func() {
			if err := l.Run(serving); err != nil {
				failed <- fmt.Errorf("imports: %w", err)
			}
		})
	}
	err := n.loop(ctx, failed)
	if err != nil {
		n.now.raise()
	}
	n.stop.raise() // for Alive
	n.log.Info("stopping", "now", n.now.isRaised())
	n.notify(Stopping)
	n.shutdown()
	cancel()
	wg.Wait()
	return err
}

// loop returns when the node is to stop, with what has failed.
func (n *Node) loop(ctx context.Context, failed <-chan error) error {
	accepting := n.endpoint.Accepting()
	for {
		select {
		case <-accepting:
			accepting = nil
			n.notify(Ready)
		case look := <-n.pulse:
			look()
		case <-ctx.Done():
			return nil
		case <-n.stop.raised:
			return nil
		case err := <-failed:
			return err
		}
	}
}

// shutdown drains, up to the moment from which on nothing is to be waited for.
func (n *Node) shutdown() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-ctx.Done():
		case <-n.now.raised:
			cut, cancel := context.WithCancel(ctx)
			cancel()
			n.calls.Drain(cut) // or the nodes that were dialled would not notice
			n.endpoint.Close()
		}
	}()
	n.endpoint.Shutdown(ctx)
}

// Stop makes Run finish; with now, without waiting for running work, also if
// it is waiting already. Without now it changes nothing the second time. It
// returns at once.
func (n *Node) Stop(now bool) {
	if now {
		n.now.raise()
	}
	n.stop.raise()
}

// A signal is raised once and stays so.
type signal struct {
	raised chan struct{}
	once   *sync.Once
}

func newSignal() signal { return signal{make(chan struct{}), new(sync.Once)} }

func (s signal) raise() { s.once.Do(func() { close(s.raised) }) }

func (s signal) isRaised() bool {
	select {
	case <-s.raised:
		return true
	default:
		return false
	}
}

// Close releases what New took. Run does it by itself.
func (n *Node) Close() error {
	n.once.Do(func() {
		if n.endpoint != nil {
			n.endpoint.Close()
		}
		if n.admin != nil {
			n.admin.Close()
			n.dir.RemoveSocket()
		}
		if n.redirect != nil {
			n.redirect.Close()
		}
		if n.keys != nil {
			n.keys.Close()
		}
		if n.unlock != nil {
			n.unlock()
		}
	})
	return nil
}
