package core

import (
	"context"
	"crypto/tls"
	"net"
)

// A Connection is one negotiated connection of any transport: QUIC, TLS over
// TCP, a Unix socket, a channel of another protocol, memory. All methods may
// be called concurrently.
//
// QUIC carries many streams. Every other transport is a single stream, which
// AcceptStream yields to the accepting side and OpenStream to the dialling
// side, once.
//
// Who opens a stream writes first: the other side learns of a stream by its
// first byte (RFC 9000, section 2), and single-stream transports keep to that,
// so that a protocol which gets it wrong hangs on all of them alike.
type Connection interface {
	// AcceptStream returns the next stream that the peer opened, once its
	// first byte is there. After the only stream of a single-stream transport
	// it blocks until that stream has ended in both directions. It returns
	// ErrConnectionClosed when the connection has ended, or the error of ctx.
	AcceptStream(ctx context.Context) (Stream, error)

	// OpenStream opens a stream, waiting for the peer's stream limit if need
	// be. Where no (further) stream can ever be opened it returns
	// ErrStreamUnavailable at once.
	OpenStream(ctx context.Context) (Stream, error)

	// ALPN is the negotiated protocol name.
	ALPN() string

	LocalAddr() net.Addr
	// RemoteAddr is the peer's address now; it changes when a QUIC client
	// migrates (RFC 9000, section 9). It informs and authorises nothing.
	RemoteAddr() net.Addr

	// TLS is the state of the finished handshake, or nil without TLS.
	TLS() *tls.ConnectionState

	// Context ends when the connection does, and no later than its methods
	// and its streams return a *CloseError. A single-stream transport notices
	// the peer's leaving only by reading.
	Context() context.Context

	// Close ends the connection and all its streams at once; data that the
	// peer has not acknowledged may be lost (see [Linger]). The peer sees
	// code and reason where the transport has room for them. On transports
	// without, a code other than CodeNone cuts the stream off so that the
	// peer never takes it for complete. Further calls do nothing.
	Close(code uint64, reason string) error

	// Raw returns the *quic.Conn or *tls.Conn below, or nil. It exists for
	// protocols whose libraries insist on them (HTTP). Whoever uses it owns
	// the framing of the whole connection and does not use the stream methods.
	Raw() any
}

// A Stream is an ordered, reliable, flow-controlled byte stream. One reader
// and one writer may work at the same time, and every other method may be
// called beside them.
//
// Read returns io.EOF only when the peer ended its direction on purpose
// ([Stream.CloseWrite]). A stream that was cut off fails with
// io.ErrUnexpectedEOF, a [*StreamError] or a [*CloseError].
//
// Deadlines are those of net.Conn, except that an expired write deadline ends
// the stream, because on most transports nobody can tell how much was sent.
type Stream interface {
	net.Conn // Close is CloseWrite and CancelRead(CodeNone), any number of times

	// CloseWrite ends the sending direction; the peer reads what was written
	// and then io.EOF. A transport without half-close returns
	// errors.ErrUnsupported.
	CloseWrite() error

	// CancelRead says that nothing more will be read. Reads in progress and
	// later ones fail; the peer's writes fail (QUIC) or go nowhere.
	CancelRead(code uint64)

	// CancelWrite drops the sending direction: the peer's read fails and
	// never sees io.EOF. On a single-stream transport that cuts the whole
	// connection. It does nothing after CloseWrite.
	CancelWrite(code uint64)
}

// A DatagramConnection is a [Connection] that also carries unreliable messages
// (RFC 9221). Ask for it by type assertion; only QUIC has it, and only if both
// sides allow it.
type DatagramConnection interface {
	Connection
	// SendDatagram sends b or fails if it does not fit one packet. It may be
	// lost, reordered, and is not retransmitted.
	SendDatagram(b []byte) error
	ReceiveDatagram(ctx context.Context) ([]byte, error)
}

// Linger gives the peer the chance to take what was written: it waits until
// the connection has ended or ctx is done. Call it between the last write and
// Close, because closing a connection drops data that is still on its way. The
// [Router] does so for handlers that return nil.
func Linger(ctx context.Context, conn Connection) {
	if l, ok := conn.(interface{ linger(context.Context) }); ok {
		l.linger(ctx)
		return
	}
	select {
	case <-conn.Context().Done():
	case <-ctx.Done():
	}
}
