package alkhttp

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/coder/websocket"
)

// docs/wire/call.md, section 8.
const (
	callPath    = "/alknet/call"
	callALPN    = "alknet/call"
	callProto   = "alknet.call"    // the subprotocol
	bearerProto = "alknet.bearer." // a token follows: browsers cannot set Authorization
)

// maxMessage is the largest WebSocket message: docs/wire/call.md, section 2.
const maxMessage = 64 << 20

// serveCall upgrades to WebSocket (RFC 6455) and hands the connection to
// s.Call. It returns when the connection has ended.
func (s *Server) serveCall(w http.ResponseWriter, r *http.Request) {
	if !s.admitUpgrade(w, r) {
		return
	}
	c := s.upgradeCaller(r)
	if c.id.IsZero() {
		s.challenge(w, r, c)
		return
	}
	sess := sessionFrom(r.Context())
	// The socket ends with the identity that the connection has proved: it
	// must be the same.
	if who := sess.who.Who(); who.Credential != c.id.Credential {
		w.Header().Set("Connection", "close")
		plain(w, http.StatusMisdirectedRequest, "this connection is somebody else's: open another")
		return
	}
	u := &upgrading{ResponseWriter: w}
	ws, err := websocket.Accept(u, r, &websocket.AcceptOptions{
		Subprotocols: []string{callProto},
		// Origins say which page asks, and no page has rights of its own: the
		// token is not sent by itself as a cookie would be.
		InsecureSkipVerify: true,
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return // answered
	}
	ws.SetReadLimit(maxMessage)
	sock := newSocket(ws, u.wire, s.draining)
	sock.start(s.limits.StallTimeout)
	defer sock.wait()
	who := core.NewAuthContext(c.id, auth.Key{}, callALPN, sess.who.RemoteAddr, nil)
	_ = s.calls.Dispatch(r.Context(), sock.conn, who) // logged there
}

// admitUpgrade answers requests that no token would turn into a WebSocket.
func (s *Server) admitUpgrade(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.ProtoMajor != 1:
		// net/http offers no extended CONNECT (RFC 8441) unless asked by an
		// environment variable, and 426 needs a field that HTTP/2 forbids.
		plain(w, http.StatusBadRequest, "WebSocket needs HTTP/1.1 here")
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", "GET")
		serveError(w, http.StatusMethodNotAllowed)
	case !strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		plain(w, http.StatusUpgradeRequired, "this is a WebSocket (RFC 6455)")
	case s.draining.Err() != nil:
		w.Header().Set("Retry-After", "1")
		serveError(w, http.StatusServiceUnavailable)
	default:
		return true
	}
	return false
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

// upgradeCaller is who asks for the upgrade, by the Authorization field or by a
// subprotocol. Two tokens are none.
func (s *Server) upgradeCaller(r *http.Request) caller {
	fields := r.Header.Values("Authorization")
	offered := false
	for _, field := range r.Header.Values("Sec-Websocket-Protocol") {
		for proto := range strings.SplitSeq(field, ",") {
			if token, ok := strings.CutPrefix(strings.TrimSpace(proto), bearerProto); ok {
				offered = true
				fields = append(fields[:len(fields):len(fields)], "Bearer "+token)
			}
		}
	}
	if !offered || s.Identities == nil {
		return callerFrom(r.Context())
	}
	return s.caller(r.Context(), fields)
}

// openCall serves a connection whose stream is there before the peer has sent
// anything: a page that offers operations may never send the first message.
func (s *Server) openCall(ctx context.Context, conn core.Connection, who *core.AuthContext) error {
	return s.Call.Handle(ctx, &callConn{Connection: conn}, who)
}

// callConn is the accepting side of a connection that was made as a dialled one.
type callConn struct {
	core.Connection
	taken atomic.Bool
}

func (c *callConn) AcceptStream(ctx context.Context) (core.Stream, error) {
	if !c.taken.Swap(true) {
		return c.Connection.OpenStream(ctx)
	}
	return c.Connection.AcceptStream(ctx)
}

func (c *callConn) OpenStream(context.Context) (core.Stream, error) {
	if c.Context().Err() != nil {
		return nil, context.Cause(c.Context())
	}
	return nil, core.ErrStreamUnavailable
}

// upgrading puts a wire below the WebSocket library.
type upgrading struct {
	http.ResponseWriter
	wire *wire
}

func (u *upgrading) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	u.wire = &wire{Conn: nc}
	return u.wire, bufio.NewReadWriter(rw.Reader, bufio.NewWriter(u.wire)), nil
}
