// Package quicconn makes a core.Connection of a QUIC connection (RFC 9000). It
// adds no copy and no wake-up to the data path.
package quicconn

import (
	"context"
	"crypto/tls"
	"net"
	"strings"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core"
)

// maxReason keeps CONNECTION_CLOSE within one packet; a reason that does not
// fit would cost the frame.
const maxReason = 512

const maxCode = 1<<62 - 1 // RFC 9000, section 16

// conn is the part of a Connection that every QUIC connection has.
type conn struct {
	qc   *quic.Conn
	alpn string
}

type datagramConn struct{ *conn }

var (
	_ core.Connection         = (*conn)(nil)
	_ core.DatagramConnection = datagramConn{}
)

// Dialed makes a Connection of the dialling side. The handshake of qc must
// have finished. It is a core.DatagramConnection if both sides allow it.
func Dialed(qc *quic.Conn) core.Connection {
	state := qc.ConnectionState()
	c := &conn{qc: qc, alpn: state.TLS.NegotiatedProtocol}
	if d := state.SupportsDatagrams; d.Local && d.Remote {
		return datagramConn{c}
	}
	return c
}

// Accepted makes a Connection of the accepting side, which refuses
// unidirectional streams unless the protocol is HTTP/3.
func Accepted(qc *quic.Conn) core.Connection {
	c := Dialed(qc)
	if alpn := c.ALPN(); alpn != "h3" {
		go refuseUniStreams(qc, alpn)
	}
	return c
}

// refuseUniStreams ends with the connection. The listener's transport
// parameters must admit the streams for HTTP/3's sake.
func refuseUniStreams(qc *quic.Conn, alpn string) {
	if _, err := qc.AcceptUniStream(context.Background()); err != nil {
		return
	}
	code := core.CodeProtocol
	if alpn == "doq" {
		code = 0x2 // DOQ_PROTOCOL_ERROR: RFC 9250, section 4.3
	}
	qc.CloseWithError(quic.ApplicationErrorCode(code), "unidirectional streams are not used here")
}

func (c *conn) ALPN() string             { return c.alpn }
func (c *conn) LocalAddr() net.Addr      { return c.qc.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr     { return c.qc.RemoteAddr() }
func (c *conn) Context() context.Context { return c.qc.Context() }
func (c *conn) Raw() any                 { return c.qc }

func (c *conn) TLS() *tls.ConnectionState {
	state := c.qc.ConnectionState().TLS
	return &state
}

func (c *conn) AcceptStream(ctx context.Context) (core.Stream, error) {
	qs, err := c.qc.AcceptStream(ctx)
	if err != nil {
		return nil, connError(c.qc, err)
	}
	return &stream{qs: qs, qc: c.qc}, nil
}

func (c *conn) OpenStream(ctx context.Context) (core.Stream, error) {
	qs, err := c.qc.OpenStreamSync(ctx)
	if err != nil {
		return nil, connError(c.qc, err)
	}
	return &stream{qs: qs, qc: c.qc}, nil
}

func (c *conn) Close(code uint64, reason string) error {
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "")
	}
	return c.qc.CloseWithError(quic.ApplicationErrorCode(min(code, maxCode)), reason)
}

func (c datagramConn) SendDatagram(b []byte) error {
	if err := c.qc.SendDatagram(b); err != nil {
		return datagramError(c.qc, err)
	}
	return nil
}

func (c datagramConn) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	b, err := c.qc.ReceiveDatagram(ctx)
	if err != nil {
		return nil, connError(c.qc, err)
	}
	return b, nil
}
