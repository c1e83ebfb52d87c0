package endpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/internal/tcpconn"
	"github.com/alkdev/alknet/core/tlsconf"
)

const maxAcceptDelay = time.Second

func (e *Endpoint) acceptTCP(s *socket) {
	settings := e.TLS.TCP(s.defaultALPN)
	delay := time.Duration(0)
	for {
		nc, err := s.tcp.AcceptTCP()
		switch {
		case err == nil:
			delay = 0
			e.admitTCP(s, nc, settings)
		case e.accepting.Err() != nil:
			return
		case errors.Is(err, net.ErrClosed):
			e.fail(err)
			return
		default:
			// Out of file descriptors, most likely.
			delay = min(max(2*delay, 5*time.Millisecond), maxAcceptDelay)
			e.logf("accept failed", "transport", "tcp", "error", err.Error(), "retry_in", delay)
			if !wait(e.accepting, delay) {
				return
			}
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// admitTCP holds the accept loop up while all handshake slots are taken; the
// kernel's queue then bounds what waits.
func (e *Endpoint) admitTCP(s *socket, nc *net.TCPConn, settings *tls.Config) {
	prefix := e.prefix(nc.RemoteAddr())
	if !e.ledger.beginHandshake(prefix, e.gate.count()) {
		e.handshakeFailed("tcp", nc.RemoteAddr(), errTooMany)
		nc.Close()
		return
	}
	entered := e.gate.enter(e.shaking) == nil
	if !entered || !e.track() {
		if entered {
			e.gate.leave()
		}
		e.ledger.endHandshake(prefix)
		nc.Close()
		return
	}
	go func() {
		tc, err := e.handshakeTCP(nc, settings)
		e.gate.leave()
		e.ledger.endHandshake(prefix)
		if err != nil {
			if e.accepting.Err() == nil {
				e.handshakeFailed("tcp", nc.RemoteAddr(), err)
			}
			nc.Close()
			e.conns.Done()
			return
		}
		alpn := tc.ConnectionState().NegotiatedProtocol
		switch alpn {
		case "":
			alpn = s.defaultALPN
		case tlsconf.ACMEProtocol:
			tc.Close()
			e.conns.Done()
			return
		}
		e.admit(core.NewStreamConn(tc, alpn), "tcp", prefix)
	}()
}

func (e *Endpoint) handshakeTCP(nc *net.TCPConn, settings *tls.Config) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(e.shaking, e.limits().HandshakeTimeout)
	defer cancel()
	tc := tls.Server(tcpconn.New(nc), settings)
	if err := tc.HandshakeContext(ctx); err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = os.ErrDeadlineExceeded
		}
		return nil, err
	}
	return tc, nil
}
