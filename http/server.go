package alkhttp

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/config"
	"github.com/go-chi/chi/v5"
)

// The protocol names of the web face (RFC 7301 registry).
const (
	protoHTTP1 = "http/1.1"
	protoHTTP2 = "h2"
	protoHTTP3 = "h3"
)

// A Server is the [core.ProtocolHandler] of h3, h2 and http/1.1. Its fields
// must not change after the first call of a method. The zero Server serves
// /healthz and the decoy. All methods may be called concurrently.
type Server struct {
	// Identities resolves bearer tokens. If nil, every caller is nobody.
	Identities core.IdentityProvider
	// Failures limits failed attempts by source prefix. If nil, they are
	// not limited.
	Failures *config.Failures
	// Challenge makes refusals honest: 401, 403 and 429 instead of the decoy.
	Challenge bool

	// Status is what the page at / shows to anybody; it is called for each
	// request. If nil, / is the decoy.
	Status func() Status
	// WellKnown returns the JSON document at /.well-known/alknet, called for
	// each request. If nil, or on an error, which is logged, it is the decoy.
	WellKnown func() ([]byte, error)
	// Metrics serves /metrics to identities with the scope http:metrics. If
	// nil, it is the decoy.
	Metrics http.Handler
	// Call serves WebSockets at /alknet/call as connections with the protocol
	// name "alknet/call" and one stream, which may be written to at once. Who
	// shows no valid token is answered 401, whatever Challenge says. Draining
	// Call is its owner's part, as if it were registered with a core.Router:
	// the sockets close when it returns from Handle. If nil, the path is the
	// decoy.
	Call core.ProtocolHandler
	// Routes adds routes, once, before the first request. The paths above
	// cannot be replaced.
	Routes func(chi.Router)
	// Decoy answers everything that is not served and, unless Challenge is
	// set, everything refused. If nil, it is the 404 page of a stock nginx.
	Decoy http.Handler

	// CACertified reports whether browsers can verify a certificate of this
	// node for host; only then Strict-Transport-Security is sent (RFC 6797,
	// section 8.1). If nil, it never is.
	CACertified func(host string) bool
	// StrictSNI answers 421 to a request for another host than the TLS
	// handshake named (RFC 9110, section 7.4), where it named one.
	StrictSNI bool
	// AltSvcPort is the UDP port of HTTP/3 that Alt-Svc announces; 0 means
	// the port that the connection came in on.
	AltSvcPort uint16
	// NoAltSvc is for nodes without UDP.
	NoAltSvc bool

	Limits Limits
	// Logger gets authentication attempts, panics, the ends of WebSockets and
	// the reasons of failed requests; never paths or hosts. If nil, nothing is logged.
	Logger *slog.Logger

	once    sync.Once
	limits  Limits
	handler http.Handler
	calls   core.Router // of Call alone
	http1   *http.Server
	http2   *http.Server
	// draining ends when Drain begins.
	draining   context.Context
	startDrain context.CancelFunc

	mu       sync.Mutex    // protects what follows
	sessions int           // connections in Handle
	empty    chan struct{} // closed when draining and none is left
}

var (
	_ core.ProtocolHandler = (*Server)(nil)
	_ core.Drainer         = (*Server)(nil)
)

// ALPNs returns h3, h2 and http/1.1.
func (s *Server) ALPNs() []string { return []string{protoHTTP3, protoHTTP2, protoHTTP1} }

func (s *Server) init() {
	s.once.Do(func() {
		s.limits = s.Limits.withDefaults()
		s.draining, s.startDrain = context.WithCancel(context.Background())
		s.empty = make(chan struct{})
		if s.Call != nil {
			s.calls.Logger = s.Logger
			_ = s.calls.Register(core.HandlerFunc(callALPN, s.openCall)) // the only one: never a duplicate
		}
		s.handler = s.chain(s.routes())
		s.http1, s.http2 = s.newStreamServers()
	})
}

// Handle serves one connection and returns when it has ended and no request of
// it is left. HTTP/3 needs a connection whose Raw is a *quic.Conn; the others
// are served on the first stream of any connection. After Drain it refuses.
func (s *Server) Handle(ctx context.Context, conn core.Connection, who *core.AuthContext) error {
	s.init()
	if !s.add() {
		return &core.HandlerError{Code: core.CodeShutdown, Reason: "the node stops"}
	}
	defer s.remove()
	// Requests learn of the hard stop after the connection has been cut, so
	// that what they write then is not taken for a complete response.
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		conn.Close(core.CodeShutdown, "the node stops")
		cancel()
	})()

	sess := s.newSession(conn, who)
	switch alpn := conn.ALPN(); alpn {
	case protoHTTP3:
		return s.serveQUIC(sess)
	case protoHTTP2:
		return s.serveStream(requests, sess, s.http2)
	case protoHTTP1:
		return s.serveStream(requests, sess, s.http1)
	default:
		return &core.HandlerError{Code: core.CodeNoHandler, Reason: fmt.Sprintf("not a web protocol: %q", alpn)}
	}
}

// Drain closes idle connections, tells the others to send no further requests,
// and waits until all connections have ended or ctx does, whose error it then
// returns. An HTTP/3 client that answers GOAWAY with nothing is closed two
// seconds after its last request.
func (s *Server) Drain(ctx context.Context) error {
	s.init()
	s.mu.Lock()
	if s.draining.Err() == nil {
		s.startDrain()
		if s.sessions == 0 {
			close(s.empty)
		}
	}
	s.mu.Unlock()

	var wg sync.WaitGroup
	defer wg.Wait()
	for _, hs := range []*http.Server{s.http1, s.http2} {
		wg.Go(func() { _ = hs.Shutdown(ctx) }) // fails only as the wait below does
	}
	select {
	case <-s.empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for web requests: %w", ctx.Err())
	}
}

func (s *Server) add() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Err() != nil {
		return false
	}
	s.sessions++
	return true
}

func (s *Server) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions--; s.sessions == 0 && s.draining.Err() != nil {
		close(s.empty)
	}
}
