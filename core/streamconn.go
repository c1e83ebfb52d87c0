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
func NewStreamConn(nc net.Conn, alpn string) Connection { return newStreamConn(nc, alpn, false) }

// NewDialedStreamConn is NewStreamConn for the dialling side: its stream comes
// from OpenStream.
func NewDialedStreamConn(nc net.Conn, alpn string) Connection { return newStreamConn(nc, alpn, true) }

func newStreamConn(nc net.Conn, alpn string, dialed bool) *streamConn {
	c := &streamConn{nc: nc, alpn: alpn, dialed: dialed}
	c.ctx, c.end = context.WithCancelCause(context.Background())
	c.stream = &onlyStream{conn: c, done: make(chan struct{})}
	return c
}

// closeNotifyTimeout bounds the wait for room to send close_notify to a peer
// that takes nothing any more.
const closeNotifyTimeout = 500 * time.Millisecond

type streamConn struct {
	nc     net.Conn
	alpn   string
	dialed bool
	ctx    context.Context
	end    context.CancelCauseFunc
	stream *onlyStream

	reading sync.Mutex // held around reads of nc
	writing sync.Mutex // held around writes to nc
	taken   atomic.Bool
	once    sync.Once
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
	if !c.dialed || c.taken.Swap(true) {
		return nil, ErrStreamUnavailable
	}
	return c.stream, nil
}

func (c *streamConn) AcceptStream(ctx context.Context) (Stream, error) {
	if !c.dialed {
		s, err := c.acceptFirst(ctx)
		if s != nil || err != nil {
			return s, err
		}
	}
	select {
	case <-c.stream.done:
		return nil, ErrConnectionClosed
	case <-c.ctx.Done():
		return nil, context.Cause(c.ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// acceptFirst returns nil, nil if the stream has been handed out before.
func (c *streamConn) acceptFirst(ctx context.Context) (Stream, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.taken.Load() {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// An abandoned wait leaves the connection usable: a read that timed out
	// consumed nothing.
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.nc.SetReadDeadline(time.Unix(1, 0))
		close(fired)
	})
	n, err := c.nc.Read(c.stream.first[:])
	if !stop() {
		<-fired
		c.nc.SetReadDeadline(time.Time{})
	}
	switch {
	case n > 0:
		c.stream.hasFirst = true
		c.taken.Store(true)
		return c.stream, nil
	case ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
		return nil, ctx.Err()
	case c.ctx.Err() != nil:
		return nil, context.Cause(c.ctx)
	case errors.Is(err, io.EOF) && !c.truncated():
		c.taken.Store(true)
		c.stream.endRead()
		c.stream.CloseWrite()
		return nil, &CloseError{Remote: true}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	ce := &CloseError{Remote: true, Err: err}
	c.drop(ce)
	return nil, ce
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
	if code != CodeNone {
		c.drop(ce)
		return nil
	}
	c.once.Do(func() {
		c.end(ce)
		cut := time.AfterFunc(closeNotifyTimeout, c.cut)
		c.nc.Close() // sends close_notify on TLS
		cut.Stop()
		c.stream.endRead()
		c.stream.endWrite()
	})
	return nil
}

// drop ends the connection without close_notify, so that a cut never reads as
// a complete stream (RFC 8446, section 6.1).
func (c *streamConn) drop(cause *CloseError) {
	c.once.Do(func() {
		c.end(cause)
		c.cut()
		c.nc.Close()
		c.stream.endRead()
		c.stream.endWrite()
	})
}

func (c *streamConn) cut() {
	if t, ok := c.nc.(interface{ NetConn() net.Conn }); ok {
		t.NetConn().Close()
	}
}

func (c *streamConn) linger(ctx context.Context) {
	if limit, ok := ctx.Deadline(); ok {
		c.nc.SetWriteDeadline(limit) // a stuck Write must not outlast the wait
	}
	c.stream.CloseWrite()
	drained := c.stream.discard()
	select {
	case <-drained:
	case <-c.ctx.Done():
	case <-ctx.Done():
	}
}

// onlyStream is the one stream of a streamConn.
type onlyStream struct {
	conn     *streamConn
	first    [1]byte
	hasFirst bool // owned by the reader

	readCode  atomic.Pointer[StreamError] // set by CancelRead
	discarded chan struct{}               // closed when the peer's data has ended; made by discard

	mu        sync.Mutex // protects what follows
	readDone  bool
	writeDone bool
	done      chan struct{} // closed when both are
}

func (s *onlyStream) LocalAddr() net.Addr  { return s.conn.LocalAddr() }
func (s *onlyStream) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

func (s *onlyStream) Read(p []byte) (int, error) {
	s.conn.reading.Lock()
	defer s.conn.reading.Unlock()
	if se := s.readCode.Load(); se != nil {
		return 0, se
	}
	if s.hasFirst && len(p) > 0 {
		s.hasFirst = false
		p[0] = s.first[0]
		return 1, nil
	}
	n, err := s.conn.nc.Read(p)
	if err != nil {
		err = s.readError(err)
	}
	return n, err
}

func (s *onlyStream) readError(err error) error {
	if se := s.readCode.Load(); se != nil {
		return se
	}
	if cause := context.Cause(s.conn.ctx); cause != nil {
		return cause
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if errors.Is(err, io.EOF) && !s.conn.truncated() {
		s.endRead()
		return io.EOF
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	ce := &CloseError{Remote: true, Err: err}
	s.conn.drop(ce)
	return ce
}

func (s *onlyStream) Write(p []byte) (int, error) {
	s.conn.writing.Lock()
	defer s.conn.writing.Unlock()
	n, err := s.conn.nc.Write(p)
	if err == nil {
		return n, nil
	}
	if cause := context.Cause(s.conn.ctx); cause != nil {
		return n, cause
	}
	s.mu.Lock()
	ended := s.writeDone
	s.mu.Unlock()
	if ended {
		return n, &StreamError{Code: CodeNone}
	}
	s.conn.drop(&CloseError{Err: err})
	return n, err
}

func (s *onlyStream) CloseWrite() error {
	hc, ok := s.conn.nc.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	if !s.endWrite() || s.conn.ctx.Err() != nil {
		return nil
	}
	return hc.CloseWrite()
}

func (s *onlyStream) Close() error {
	if s.conn.writing.TryLock() {
		s.conn.writing.Unlock()
	} else {
		// A Write in progress cannot complete the stream any more: cut it.
		s.CancelWrite(CodeNone)
	}
	err := s.CloseWrite()
	if errors.Is(err, errors.ErrUnsupported) {
		return s.conn.Close(CodeNone, "")
	}
	s.CancelRead(CodeNone)
	return err
}

func (s *onlyStream) CancelRead(code uint64) {
	s.mu.Lock()
	already := s.readDone
	s.mu.Unlock()
	if already || !s.readCode.CompareAndSwap(nil, &StreamError{Code: code}) {
		return
	}
	s.endRead()
	s.discard()
}

// discard reads and drops what the peer still sends, so that a peer that is
// blocked in a write gets on and close does not turn into a reset that would
// destroy data on its way. It ends with the peer's data or the connection.
func (s *onlyStream) discard() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.discarded != nil {
		return s.discarded
	}
	s.discarded = make(chan struct{})
	s.readCode.CompareAndSwap(nil, &StreamError{Code: CodeNone})
	s.conn.nc.SetReadDeadline(time.Unix(1, 0)) // frees a Read in progress
	go func() {
		defer close(s.discarded)
		buf := make([]byte, 4096)
		s.conn.reading.Lock()
		defer s.conn.reading.Unlock()
		for {
			_, err := s.conn.nc.Read(buf)
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded):
				s.conn.nc.SetReadDeadline(time.Time{})
			case err != nil:
				return
			}
		}
	}()
	return s.discarded
}

func (s *onlyStream) CancelWrite(code uint64) {
	s.mu.Lock()
	ended := s.writeDone
	s.mu.Unlock()
	if !ended {
		s.conn.drop(&CloseError{Code: code, Reason: "stream cancelled"})
	}
}

// endRead and endWrite report whether they were the first to end it.
func (s *onlyStream) endRead() bool  { return s.endOne(&s.readDone) }
func (s *onlyStream) endWrite() bool { return s.endOne(&s.writeDone) }

func (s *onlyStream) endOne(which *bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *which {
		return false
	}
	*which = true
	if s.readDone && s.writeDone {
		close(s.done)
	}
	return true
}

func (s *onlyStream) SetDeadline(t time.Time) error {
	if err := s.SetReadDeadline(t); err != nil {
		return err
	}
	return s.SetWriteDeadline(t)
}

func (s *onlyStream) SetReadDeadline(t time.Time) error {
	if s.readCode.Load() != nil {
		return nil
	}
	return s.conn.nc.SetReadDeadline(t)
}

func (s *onlyStream) SetWriteDeadline(t time.Time) error { return s.conn.nc.SetWriteDeadline(t) }
