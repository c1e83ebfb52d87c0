package alkhttp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/core"
)

// newStreamServers returns the servers of HTTP/1.1 and HTTP/2. Each knows one
// protocol, which ALPN has chosen: neither reads the other's preface. To
// net/http the connections are cleartext; what the handshake found is filled in
// by the session.
func (s *Server) newStreamServers() (http1, http2 *http.Server) {
	errorLog := log.New(io.Discard, "", 0)
	if s.Logger != nil {
		errorLog = slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug)
	}
	server := func(p http.Protocols) *http.Server {
		return &http.Server{
			Handler:                      s.handler,
			Protocols:                    &p,
			DisableGeneralOptionsHandler: true,
			ReadHeaderTimeout:            s.limits.ReadHeaderTimeout,
			IdleTimeout:                  s.limits.IdleTimeout,
			MaxHeaderBytes:               s.limits.MaxHeaderBytes,
			ErrorLog:                     errorLog,
			BaseContext:                  func(l net.Listener) context.Context { return l.(*oneConn).ctx },
			HTTP2: &http.HTTP2Config{
				MaxConcurrentStreams:          s.limits.MaxConcurrentStreams,
				MaxDecoderHeaderTableSize:     4 << 10,
				MaxEncoderHeaderTableSize:     4 << 10,
				MaxReadFrameSize:              64 << 10,
				MaxReceiveBufferPerConnection: 1 << 20,
				MaxReceiveBufferPerStream:     512 << 10,
				SendPingTimeout:               s.limits.StallTimeout,
				PingTimeout:                   15 * time.Second,
				WriteByteTimeout:              s.limits.StallTimeout,
			},
		}
	}
	var one, two http.Protocols
	one.SetHTTP1(true)
	two.SetUnencryptedHTTP2(true)
	return server(one), server(two)
}

func (s *Server) serveStream(ctx context.Context, sess *session, hs *http.Server) error {
	if hs == s.http2 && !suitsHTTP2(sess.tls) {
		return &core.HandlerError{Code: core.CodeProtocol, Reason: "HTTP/2 needs an AEAD cipher suite (RFC 9113, section 9.2.2)"}
	}
	stream, err := s.acceptStream(ctx, sess.conn)
	if err != nil || stream == nil {
		return err
	}
	nc := &webConn{Stream: stream, stall: s.limits.StallTimeout, closed: make(chan struct{})}
	l := &oneConn{conn: nc, ctx: context.WithValue(ctx, sessionKey{}, sess), shut: make(chan struct{})}
	_ = hs.Serve(l) // returns when nc has ended or Drain has begun
	if !l.given.Load() {
		nc.Close()
		return nil
	}
	<-nc.closed
	sess.wait()
	return nil
}

// acceptStream returns nil, nil if the peer sent nothing in time or Drain began.
func (s *Server) acceptStream(ctx context.Context, conn core.Connection) (core.Stream, error) {
	wait, cancel := context.WithTimeout(ctx, s.limits.ReadHeaderTimeout)
	defer cancel()
	defer context.AfterFunc(s.draining, cancel)()
	stream, err := conn.AcceptStream(wait)
	if err != nil && ctx.Err() == nil && wait.Err() != nil && !errors.Is(err, core.ErrConnectionClosed) {
		return nil, nil
	}
	return stream, err
}

// suitsHTTP2 refuses the cipher suites of TLS 1.2 that RFC 9113, appendix A,
// prohibits, as far as crypto/tls has them.
func suitsHTTP2(state *tls.ConnectionState) bool {
	if state == nil || state.Version >= tls.VersionTLS13 {
		return true
	}
	return slices.Contains([]uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}, state.CipherSuite)
}

// webConn is a stream that notices its Close and bounds every write that does
// not move, which net/http can only bound as a whole.
type webConn struct {
	core.Stream
	stall  time.Duration
	manual atomic.Bool // somebody set a write deadline
	once   sync.Once
	closed chan struct{}
}

const writeChunk = 64 << 10

func (c *webConn) Write(p []byte) (n int, err error) {
	for {
		chunk := p[:min(len(p), writeChunk)]
		if !c.manual.Load() {
			if err := c.Stream.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
				return n, err
			}
		}
		m, err := c.Stream.Write(chunk)
		n, p = n+m, p[m:]
		if err != nil || len(p) == 0 {
			return n, err
		}
	}
}

func (c *webConn) SetWriteDeadline(t time.Time) error {
	c.manual.Store(!t.IsZero())
	return c.Stream.SetWriteDeadline(t)
}

func (c *webConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *webConn) RemoteAddr() net.Addr { return orUnnamed(c.Stream.RemoteAddr()) }
func (c *webConn) LocalAddr() net.Addr  { return orUnnamed(c.Stream.LocalAddr()) }

// orUnnamed keeps net/http, which calls String on it, from a nil address.
func orUnnamed(a net.Addr) net.Addr {
	if a == nil {
		return &net.UnixAddr{Net: "unix"}
	}
	return a
}

func (c *webConn) Close() error {
	err := c.Stream.Close()
	c.once.Do(func() { close(c.closed) })
	return err
}

// oneConn is a listener that yields one connection and lasts as long as it.
type oneConn struct {
	conn  *webConn
	ctx   context.Context
	given atomic.Bool
	once  sync.Once
	shut  chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case <-l.shut:
		return nil, net.ErrClosed
	default:
	}
	if !l.given.Swap(true) {
		return l.conn, nil
	}
	select {
	case <-l.conn.closed:
	case <-l.shut:
	}
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.shut) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }
