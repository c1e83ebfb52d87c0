package coretest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/alkdev/alknet/core"
)

const (
	defaultStreamLimit = 128
	// DatagramSize is the size of the largest datagram that a [Pair] carries.
	DatagramSize = 1200
	// datagramQueue is how many datagrams wait for a reader before further
	// ones are lost.
	datagramQueue = 32
)

// An Option changes a [Pair] or a [StreamPair].
type Option func(*options)

type options struct {
	streamLimit   int
	datagrams     bool
	tls           *tls.ConnectionState
	client, serve net.Addr
}

// StreamLimit is how many streams each side may have open at a time, 128 if
// not set. It means nothing to a StreamPair.
func StreamLimit(n int) Option { return func(o *options) { o.streamLimit = n } }

// NoDatagrams makes a Pair whose connections are no core.DatagramConnection.
func NoDatagrams() Option { return func(o *options) { o.datagrams = false } }

// TLS sets what the TLS method of both sides returns, which is nil if not set.
// It means nothing to a StreamPair.
func TLS(state *tls.ConnectionState) Option { return func(o *options) { o.tls = state } }

// Addrs sets the addresses of the two sides. By default they are a UDPAddr or
// TCPAddr each from a range for documentation (RFC 5737).
func Addrs(client, server net.Addr) Option {
	return func(o *options) { o.client, o.serve = client, server }
}

// Pair returns the dialling and the accepting side of a connection in memory
// that has many streams, as QUIC has. Either side may open streams. Each
// direction of a stream buffers 64 KiB, after which its writer waits.
func Pair(alpn string, opts ...Option) (client, server core.Connection) {
	o := options{
		streamLimit: defaultStreamLimit,
		datagrams:   true,
		client:      &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 49152},
		serve:       &net.UDPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 4433},
	}
	for _, opt := range opts {
		opt(&o)
	}
	p := new(pair)
	for i := range p.sides {
		c := &conn{pair: p, alpn: alpn, limit: o.streamLimit, tls: o.tls, changed: make(chan struct{})}
		c.ctx, c.end = context.WithCancelCause(context.Background())
		p.sides[i] = c
	}
	a, b := p.sides[0], p.sides[1]
	a.peer, b.peer = b, a
	a.local, a.remote = o.client, o.serve
	b.local, b.remote = o.serve, o.client
	if o.datagrams {
		return datagramConn{a}, datagramConn{b}
	}
	return a, b
}

// pair is what both sides share.
type pair struct {
	mu      sync.Mutex // protects all that changes in the sides
	sides   [2]*conn
	streams map[*stream]struct{} // that have not ended
}

// conn is one side. Its lock is that of the pair, and taken before no other.
type conn struct {
	pair          *pair
	peer          *conn
	alpn          string
	local, remote net.Addr
	tls           *tls.ConnectionState
	limit         int
	ctx           context.Context
	end           context.CancelCauseFunc

	changed   chan struct{} // closed and replaced at every change
	incoming  []*stream     // visible, not accepted yet
	open      int           // streams opened here that have not ended
	datagrams [][]byte
}

var (
	_ core.Connection         = (*conn)(nil)
	_ core.DatagramConnection = datagramConn{}
)

func (c *conn) ALPN() string              { return c.alpn }
func (c *conn) LocalAddr() net.Addr       { return c.local }
func (c *conn) RemoteAddr() net.Addr      { return c.remote }
func (c *conn) TLS() *tls.ConnectionState { return c.tls }
func (c *conn) Context() context.Context  { return c.ctx }
func (c *conn) Raw() any                  { return nil }

// wait calls try, under the lock, at every change until it reports success.
func (c *conn) wait(ctx context.Context, try func() bool) error {
	for {
		c.pair.mu.Lock()
		if c.ctx.Err() != nil {
			c.pair.mu.Unlock()
			return context.Cause(c.ctx)
		}
		ok, changed := ctx.Err() == nil && try(), c.changed
		c.pair.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-c.ctx.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// notify is called with the lock held.
func (c *conn) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *conn) AcceptStream(ctx context.Context) (core.Stream, error) {
	var s *stream
	err := c.wait(ctx, func() bool {
		if len(c.incoming) == 0 {
			return false
		}
		s = c.incoming[0]
		c.incoming = slices.Delete(c.incoming, 0, 1)
		return true
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (c *conn) OpenStream(ctx context.Context) (core.Stream, error) {
	var s *stream
	err := c.wait(ctx, func() bool {
		if c.open >= c.limit {
			return false
		}
		s = c.newStream()
		return true
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// newStream is called with the lock held.
func (c *conn) newStream() *stream {
	here, there := &stream{conn: c}, &stream{conn: c.peer}
	left := 2 // directions
	ended := func() {
		c.pair.mu.Lock()
		defer c.pair.mu.Unlock()
		if left--; left == 0 {
			delete(c.pair.streams, here)
			c.open--
			c.notify()
		}
	}
	out, in := newHalf(c.peer.ctx, c.ctx, ended), newHalf(c.ctx, c.peer.ctx, ended)
	here.in, here.out, there.in, there.out = in, out, out, in
	here.announce = sync.OnceFunc(func() {
		c.pair.mu.Lock()
		defer c.pair.mu.Unlock()
		c.peer.incoming = append(c.peer.incoming, there)
		c.peer.notify()
	})
	there.announce = func() {}
	if c.pair.streams == nil {
		c.pair.streams = make(map[*stream]struct{})
	}
	c.pair.streams[here] = struct{}{}
	c.open++
	return here
}

func (c *conn) Close(code uint64, reason string) error {
	p := c.pair
	p.mu.Lock()
	if c.ctx.Err() != nil {
		p.mu.Unlock()
		return nil
	}
	c.end(&core.CloseError{Code: code, Reason: reason})
	c.peer.end(&core.CloseError{Code: code, Reason: reason, Remote: true})
	streams := p.streams
	p.streams, c.incoming, c.peer.incoming = nil, nil, nil
	p.mu.Unlock()
	for s := range streams {
		s.in.wake()
		s.out.wake()
	}
	return nil
}

type datagramConn struct{ *conn }

func (c datagramConn) SendDatagram(b []byte) error {
	if len(b) > DatagramSize {
		return fmt.Errorf("send datagram: %d bytes are more than the %d that fit", len(b), DatagramSize)
	}
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if len(c.peer.datagrams) < datagramQueue {
		c.peer.datagrams = append(c.peer.datagrams, append([]byte{}, b...))
		c.peer.notify()
	}
	return nil
}

func (c datagramConn) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	var b []byte
	err := c.wait(ctx, func() bool {
		if len(c.datagrams) == 0 {
			return false
		}
		b = c.datagrams[0]
		c.datagrams = slices.Delete(c.datagrams, 0, 1)
		return true
	})
	return b, err
}
