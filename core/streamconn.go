package core

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// NewStreamConn makes a Connection of the accepting side of a duplex stream.
// If nc is a *tls.Conn its handshake must have finished. nc belongs to the
// connection from here on.
//
// A reader of a TLS stream sees io.EOF only after the peer's close_notify if
// the net.Conn below the TLS layer reports a cut with a method
// Truncated() bool; crypto/tls alone does not tell the two apart.
//
// Without TLS a stream is cut off by nc's SetLinger(0) and Close, as a
// *net.TCPConn has them. Where nc has no SetLinger, as a Unix socket, the peer
// cannot tell a stream that was cut off from one that ended, and the protocol
// above must mark its ends itself.
func NewStreamConn(nc net.Conn, alpn string) Connection { return newStreamConn(nc, alpn, false) }

// NewDialedStreamConn is NewStreamConn for the dialling side: its stream comes
// from OpenStream.
func NewDialedStreamConn(nc net.Conn, alpn string) Connection { return newStreamConn(nc, alpn, true) }

func newStreamConn(nc net.Conn, alpn string, dialed bool) *streamConn {
	c := &streamConn{nc: nc, alpn: alpn, dialed: dialed, accepting: make(chan struct{}, 1)}
	c.ctx, c.end = context.WithCancelCause(context.Background())
	c.stream = &onlyStream{conn: c, done: make(chan struct{})}
	return c
}

// closeNotifyTimeout bounds the wait for room to send close_notify to a peer
// that takes nothing any more.
const closeNotifyTimeout = 500 * time.Millisecond

// past is a deadline that frees a blocked call.
var past = time.Unix(1, 0)

type streamConn struct {
	nc     net.Conn
	alpn   string
	dialed bool
	ctx    context.Context
	end    context.CancelCauseFunc
	stream *onlyStream

	accepting chan struct{} // holds a token while somebody waits for the first byte
	reading   sync.Mutex    // held around reads of nc
	writing   sync.Mutex    // held around writes to nc
	taken     atomic.Bool
	once      sync.Once
}

func (c *streamConn) ALPN() string             { return c.alpn }
func (c *streamConn) LocalAddr() net.Addr      { return c.nc.LocalAddr() }
func (c *streamConn) RemoteAddr() net.Addr     { return c.nc.RemoteAddr() }
func (c *streamConn) Context() context.Context { return c.ctx }

func (c *streamConn) TLS() *tls.ConnectionState {
	if t, ok := c.nc.(interface{ ConnectionState() tls.ConnectionState }); ok {
		s := t.ConnectionState()
		return &s
	}
	return nil
}

func (c *streamConn) Raw() any {
	if t, ok := c.nc.(*tls.Conn); ok {
		return t
	}
	return nil
}

func (c *streamConn) OpenStream(ctx context.Context) (Stream, error) {
	if c.ctx.Err() != nil {
		return nil, context.Cause(c.ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !c.dialed || c.taken.Swap(true) {
		return nil, ErrStreamUnavailable
	}
	return c.stream, nil
}

func (c *streamConn) AcceptStream(ctx context.Context) (Stream, error) {
	if !c.dialed && !c.taken.Load() {
		s, err := c.acceptFirst(ctx)
		if s != nil || err != nil {
			return s, err
		}
	}
	select {
	case <-c.ctx.Done():
	case <-c.stream.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if cause := context.Cause(c.ctx); cause != nil {
		return nil, cause
	}
	return nil, ErrConnectionClosed
}

// acceptFirst returns nil, nil if the stream has been handed out before or
// nobody wants it any more.
func (c *streamConn) acceptFirst(ctx context.Context) (Stream, error) {
	select {
	case c.accepting <- struct{}{}:
		defer func() { <-c.accepting }()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.ctx.Done():
		return nil, context.Cause(c.ctx)
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.taken.Load() || c.stream.abandoned() {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// An abandoned wait leaves the connection usable: a read that timed out
	// consumed nothing.
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.nc.SetReadDeadline(past)
		close(fired)
	})
	n, err := c.nc.Read(c.stream.first[:])
	if !stop() {
		<-fired
		c.nc.SetReadDeadline(time.Time{})
	}
	if n > 0 && c.stream.readCode.Load() == nil {
		c.stream.hasFirst = true
		c.taken.Store(true)
		return c.stream, nil
	}
	switch {
	case c.ctx.Err() != nil:
		return nil, context.Cause(c.ctx)
	case ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
		return nil, ctx.Err()
	case c.stream.abandoned():
		return nil, nil
	case errors.Is(err, io.EOF) && !c.truncated():
		// Who opens writes first: nothing will ever be answered.
		ce := &CloseError{Remote: true}
		c.shut(ce)
		return nil, ce
	}
	return nil, c.lost(err)
}

// lost ends the connection because reading failed.
func (c *streamConn) lost(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	ce := &CloseError{Remote: true, Err: err}
	c.drop(ce)
	return context.Cause(c.ctx)
}

func (c *streamConn) truncated() bool {
	t, ok := c.nc.(interface{ NetConn() net.Conn })
	if !ok {
		return false
	}
	below, ok := t.NetConn().(interface{ Truncated() bool })
	return ok && below.Truncated()
}

func (c *streamConn) Close(code uint64, reason string) error {
	ce := &CloseError{Code: code, Reason: reason}
	if code == CodeNone {
		c.shut(ce)
	} else {
		c.drop(ce)
	}
	return nil
}

// shut ends the connection with close_notify, unless a Write is in progress.
func (c *streamConn) shut(cause *CloseError) {
	c.once.Do(func() {
		c.end(cause)
		if c.stream.stop() {
			c.abort()
		}
		cut := time.AfterFunc(closeNotifyTimeout, c.cut)
		c.nc.Close() // sends close_notify on TLS
		cut.Stop()
	})
}

// drop ends the connection without close_notify, so that a cut never reads as
// a complete stream (RFC 8446, section 6.1).
func (c *streamConn) drop(cause *CloseError) {
	c.once.Do(func() {
		c.end(cause)
		c.stream.stop()
		c.cut()
		c.abort()
		c.nc.Close()
	})
}

// cut takes the transport away from below TLS.
func (c *streamConn) cut() {
	if t, ok := c.nc.(interface{ NetConn() net.Conn }); ok {
		t.NetConn().Close()
	}
}

// abort makes Close a reset where there is no TLS.
func (c *streamConn) abort() {
	if l, ok := c.nc.(interface{ SetLinger(sec int) error }); ok {
		l.SetLinger(0)
	}
}

func (c *streamConn) linger(ctx context.Context) {
	if limit, ok := ctx.Deadline(); ok {
		c.stream.SetWriteDeadline(limit) // a stuck Write must not outlast the wait
	}
	// Nor must close_notify, for which crypto/tls takes five seconds.
	intime := context.AfterFunc(ctx, c.cut)
	c.stream.CloseWrite()
	intime()
	drained := c.stream.discard()
	select {
	case <-drained:
	case <-c.ctx.Done():
	case <-ctx.Done():
	}
}
