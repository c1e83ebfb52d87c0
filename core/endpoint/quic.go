package endpoint

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core/internal/quicconn"
)

var (
	errTooMany     = errors.New("too many connections")
	errHandshakes  = errors.New("too many handshakes in flight")
	errNotAccepted = errors.New(reasonStopping)
)

// attempt is a QUIC handshake in flight.
type attempt struct {
	e        *Endpoint
	addr     net.Addr
	verified bool         // the client proved its address by a token
	prefix   netip.Prefix // counted; zero until the address is verified
	over     atomic.Bool
	stop     func() bool
}

type attemptKey struct{}

// beginQUIC is the transport's ConnContext: it runs for each first packet, on
// the goroutine that handles them one by one.
func (e *Endpoint) beginQUIC(ctx context.Context, client *quic.ClientInfo) (context.Context, error) {
	if e.accepting.Err() != nil {
		return nil, errNotAccepted
	}
	a := &attempt{e: e, addr: client.RemoteAddr, verified: client.AddrVerified}
	if a.verified {
		prefix := e.prefix(a.addr)
		if !e.ledger.beginHandshake(prefix, e.gate.count()) {
			e.handshakeFailed("quic", a.addr, errTooMany)
			return nil, errTooMany
		}
		a.prefix = prefix
	}
	if !e.gate.tryEnter() {
		e.ledger.endHandshake(a.prefix)
		e.metrics().HandshakeFailed("quic", reasonLimit)
		return nil, errHandshakes
	}
	ctx = context.WithValue(ctx, attemptKey{}, a)
	a.stop = context.AfterFunc(ctx, func() { a.failed(context.Cause(ctx)) })
	return ctx, nil
}

// finish reports whether it was the first to end the attempt.
func (a *attempt) finish() bool {
	if a.over.Swap(true) {
		return false
	}
	a.e.gate.leave()
	a.e.ledger.endHandshake(a.prefix)
	return true
}

func (a *attempt) failed(err error) {
	if !a.finish() || a.e.accepting.Err() != nil {
		return
	}
	if a.verified {
		a.e.handshakeFailed("quic", a.addr, err)
		return
	}
	// Anybody may have sent this in somebody else's name: no line that a
	// watcher would take for an attack from there.
	a.e.metrics().HandshakeFailed("quic", reason(err))
	if log := a.e.Logger; log != nil {
		log.Debug("handshake failed", "claimed_addr", a.addr.String(), "transport", "quic", "error", err.Error())
	}
}

func (e *Endpoint) quicConfig() *quic.Config {
	base := quicconn.Config()
	base.HandshakeIdleTimeout = e.limits().HandshakeTimeout / 2 // quic-go allows twice that in all
	var current atomic.Pointer[quic.Config]
	current.Store(base)
	listening := base.Clone()
	listening.GetConfigForClient = func(*quic.ClientInfo) (*quic.Config, error) {
		c := current.Load()
		if half := e.limits().HandshakeTimeout / 2; half != c.HandshakeIdleTimeout {
			c = c.Clone()
			c.HandshakeIdleTimeout = half
			current.Store(c)
		}
		return c, nil
	}
	return listening
}

func (e *Endpoint) acceptQUIC(s *socket) {
	for {
		qc, err := s.listener.Accept(context.Background())
		if err != nil {
			if e.accepting.Err() == nil {
				e.fail(err)
			}
			return
		}
		a := qc.Context().Value(attemptKey{}).(*attempt)
		a.stop()
		if !a.finish() {
			continue // gone already
		}
		if !e.track() {
			quicconn.Dialed(qc).Close(codeStopping, reasonStopping)
			continue
		}
		go e.admit(quicconn.Accepted(qc), "quic", e.prefix(a.addr))
	}
}

const (
	reasonLimit    = "limit"
	reasonTimeout  = "timeout"
	reasonProtocol = "protocol"
	reasonTLS      = "tls"
)

// noApplicationProtocol is the TLS alert 120 as a QUIC error (RFC 9001,
// section 8.1).
const noApplicationProtocol = 0x100 + 120

func reason(err error) string {
	var timeout interface{ Timeout() bool }
	var transport *quic.TransportError
	switch {
	case errors.Is(err, errTooMany), errors.Is(err, errHandshakes):
		return reasonLimit
	case errors.As(err, &timeout) && timeout.Timeout():
		return reasonTimeout
	case errors.As(err, &transport) && transport.ErrorCode == noApplicationProtocol,
		strings.Contains(err.Error(), "unsupported application protocols"): // crypto/tls has no type for it
		return reasonProtocol
	}
	return reasonTLS
}

// handshakeFailed takes validated addresses only.
func (e *Endpoint) handshakeFailed(transport string, addr net.Addr, err error) {
	why := reason(err)
	e.metrics().HandshakeFailed(transport, why)
	e.logf("handshake failed", "remote_addr", addr.String(), "transport", transport, "reason", why, "error", err.Error())
}

func (e *Endpoint) logf(msg string, args ...any) {
	if e.Logger != nil {
		e.Logger.Info(msg, args...)
	}
}
