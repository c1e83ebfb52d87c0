package dial

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/internal/tcpconn"
)

func (d *Dialer) dialTCP(ctx context.Context, c candidate, h *handshake) (*established, error) {
	began := time.Now()
	nc, err := d.connectTCP(ctx, c)
	if err != nil {
		return nil, contextual(ctx, err)
	}
	connected := time.Now()
	tc := tls.Client(tcpconn.New(nc), h.config())
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, contextual(ctx, err)
	}
	cs := tc.ConnectionState()
	v, err := h.check(cs)
	if err != nil {
		nc.Close()
		return nil, err
	}
	e := &established{conn: core.NewDialedStreamConn(tc, cs.NegotiatedProtocol), verdict: v}
	e.info = describe(TCP, nc.RemoteAddr(), cs, v)
	e.info.RTT, e.info.Handshake = connected.Sub(began), time.Since(began)
	if d.Proxy != nil {
		e.info.Addr = c.netAddr()
		e.info.RTT = time.Since(connected)
	}
	return e, nil
}

func (d *Dialer) connectTCP(ctx context.Context, c candidate) (*net.TCPConn, error) {
	if d.Proxy != nil {
		return d.Proxy.connect(ctx, c.hostPort())
	}
	var nd net.Dialer
	nc, err := nd.DialContext(ctx, "tcp", c.addr.String())
	if err != nil {
		return nil, err
	}
	return nc.(*net.TCPConn), nil
}

func (c candidate) hostPort() hostPort { return hostPort{c.host, c.port} }

func (c candidate) netAddr() net.Addr {
	switch {
	case !c.addr.IsValid():
		return proxiedAddr{c.transport, c.hostPort()}
	case c.transport == TCP:
		return net.TCPAddrFromAddrPort(c.addr)
	}
	return net.UDPAddrFromAddrPort(c.addr)
}
