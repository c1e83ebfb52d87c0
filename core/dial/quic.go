package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core/internal/quicconn"
	"github.com/alkdev/alknet/core/internal/udpconn"
)

// socket is a QUIC transport that one dial uses.
type socket struct {
	transport *quic.Transport
	config    *quic.Config
	connected func() // the handshake is done
	linger    func() // lets the last packet out
	close     func() // releases what belongs to this dial alone
}

func (d *Dialer) dialQUIC(ctx context.Context, c candidate, h *handshake) (*established, error) {
	began := time.Now()
	s, err := d.socket(ctx, c)
	if err != nil {
		return nil, contextual(ctx, err)
	}
	qc, err := s.transport.Dial(ctx, c.netAddr(), h.config(), s.config)
	if err != nil {
		s.close()
		return nil, contextual(ctx, err)
	}
	took := time.Since(began)
	s.connected()
	context.AfterFunc(qc.Context(), func() { s.linger(); s.close() })
	cs := qc.ConnectionState().TLS
	v, err := h.check(cs)
	if err != nil {
		qc.CloseWithError(0, "")
		return nil, err
	}
	e := &established{conn: quicconn.Dialed(qc), verdict: v, info: describe(QUIC, c.netAddr(), cs, v)}
	e.info.RTT, e.info.Handshake = qc.ConnectionStats().MinRTT, took
	return e, nil
}

func (d *Dialer) socket(ctx context.Context, c candidate) (*socket, error) {
	s := &socket{config: quicconn.DialConfig(), connected: func() {}, linger: func() {}, close: func() {}}
	if d.Proxy != nil {
		pc, err := d.Proxy.associate(ctx, c.hostPort())
		if err != nil {
			return nil, err
		}
		// The path behind the proxy is not ours to probe.
		s.config.DisablePathMTUDiscovery = true
		s.linger = pc.linger
		s.own(&quic.Transport{Conn: pc})
		return s, nil
	}
	if d.Transport != nil {
		if s.transport = d.Transport(c.addr.Addr()); s.transport != nil {
			return s, nil
		}
	}
	network := "udp6"
	if c.addr.Addr().Is4() {
		network = "udp4"
	}
	udp, err := net.ListenUDP(network, nil)
	if err != nil {
		return nil, err
	}
	reportRefusal(udp, true)
	pc, _ := udpconn.Wrap(udp, !d.NoGRO)
	s.connected = func() {
		reportRefusal(udp, false)
		pc.Forgive()
	}
	s.own(&quic.Transport{Conn: pc})
	return s, nil
}

func (s *socket) own(t *quic.Transport) {
	s.transport = t
	s.close = func() {
		t.Close()
		t.Conn.Close()
	}
}

// isHandshakeFault reports whether the TLS code here has rejected what the
// server sent, as against a path that failed.
func isHandshakeFault(err error) bool {
	var te *quic.TransportError
	if errors.As(err, &te) {
		return !te.Remote && te.ErrorCode >= 0x100 && te.ErrorCode < 0x200
	}
	var ne net.Error
	var re tls.RecordHeaderError
	return !errors.As(err, &ne) && !errors.As(err, &re) && strings.HasPrefix(err.Error(), "tls: ")
}
