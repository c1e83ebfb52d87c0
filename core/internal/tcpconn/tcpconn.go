// Package tcpconn is the TCP connection below a TLS layer. It remembers that
// the peer's FIN was read, which crypto/tls does not tell from a close_notify.
package tcpconn

import (
	"io"
	"net"
	"sync/atomic"
)

// Conn is a *net.TCPConn that remembers the end of its input. Its methods may
// be called concurrently, as those of the TCPConn.
type Conn struct {
	*net.TCPConn
	ended atomic.Bool
}

// New takes nc over.
func New(nc *net.TCPConn) *Conn { return &Conn{TCPConn: nc} }

// Read is that of the TCPConn.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if err == io.EOF {
		c.ended.Store(true)
	}
	return n, err
}

// Truncated reports whether the peer's FIN has been read. crypto/tls stops
// reading at a close_notify, so that a FIN which it did read cut the TLS stream
// off (RFC 8446, section 6.1).
func (c *Conn) Truncated() bool { return c.ended.Load() }
