package call

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/core"
)

// A Client is one open connection on which both ends may call. It is safe for
// concurrent use. The connection belongs to it.
//
// Where the connection has many streams, subscriptions and large inputs get a
// stream each, and small calls share one if the other end says in discovery
// that it runs the requests of a stream concurrently. Where the connection is
// a single stream, everything shares it.
type Client struct {
	conn     core.Connection
	server   *Server
	who      *core.AuthContext
	limits   Limits
	timeout  time.Duration // of calls from here
	token    *string       // nil: none
	accepted bool

	ctx      context.Context // ends with the connection
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	done     chan struct{}
	started  time.Time
	workers  workers
	watching atomic.Bool // the watch is set

	idPrefix string
	lastID   atomic.Uint64

	concurrent atomic.Bool  // the other end runs the requests of a stream at once
	single     atomic.Bool  // the connection has one stream
	made       atomic.Int64 // calls from here, to decide upon probing
	probing    sync.Once
	owned      atomic.Int64 // streams that serve one call each
	held       atomic.Int64 // bytes of frames that have not arrived
	told       atomic.Int64 // lines in the log

	gate    sync.Mutex // protects gated and the start of goroutines
	gated   bool
	opening chan struct{} // of capacity 1: who opens lane has its place
	first   chan struct{} // closed when the first stream was accepted

	mu       sync.Mutex
	lane     *stream // shared by calls made here
	only     *stream // the first stream accepted
	streams  map[*stream]struct{}
	pending  map[string]*pending
	inbound  map[string]*inbound
	serving  int           // calls of the other end, until only the stream keeps their answers
	quieting chan struct{} // closed when serving is 0; nil if nobody waits
	retiring *time.Timer   // nil if none is due
	watcher  *time.Timer
	checker  *time.Timer // of the rights of subscriptions; nil if there are none
	closing  bool
	deaf     bool // the only stream has ended: no abort can come
	err      error
}

type clientOptions struct {
	server   *Server
	who      *core.AuthContext
	token    *string
	timeout  time.Duration
	limits   *Limits
	accepted bool
}

// A ClientOption changes how [NewClient] sets a Client up.
type ClientOption func(*clientOptions)

// WithServer lets the other end call the operations of s, as who: what the
// dialler knows of it, or nil for nobody.
func WithServer(s *Server, who *core.AuthContext) ClientOption {
	return func(o *clientOptions) { o.server, o.who = s, who }
}

// WithToken sends token as auth_token with every call: the other end then
// decides by the token's rights instead of the connection's.
func WithToken(token string) ClientOption {
	return func(o *clientOptions) { o.token = &token }
}

// WithTimeout replaces the 30 seconds after which a call from here without a
// deadline fails. Subscriptions have no timeout.
func WithTimeout(d time.Duration) ClientOption {
	return func(o *clientOptions) { o.timeout = d }
}

// WithLimits bounds what the other end may ask for; it replaces those of the
// server.
func WithLimits(l Limits) ClientOption {
	return func(o *clientOptions) { o.limits = &l }
}

// NewClient makes a Client of an open connection, which it owns from here on.
func NewClient(conn core.Connection, opts ...ClientOption) *Client {
	var o clientOptions
	for _, opt := range opts {
		opt(&o)
	}
	c := newClient(context.Background(), conn, o)
	go c.run()
	if o.server != nil {
		c.startProbing()
	}
	return c
}

func newClient(ctx context.Context, conn core.Connection, o clientOptions) *Client {
	if o.server == nil {
		o.server = &Server{Registry: new(Registry)}
	}
	if o.who == nil {
		o.who = core.NewAuthContext(core.Identity{}, noKey, conn.ALPN(), conn.RemoteAddr(), nil)
	}
	c := &Client{
		conn: conn, server: o.server, who: o.who, token: o.token, accepted: o.accepted,
		limits:   o.server.Limits.withDefaults(),
		done:     make(chan struct{}),
		started:  time.Now(),
		first:    make(chan struct{}),
		opening:  make(chan struct{}, 1),
		idPrefix: strings.ToLower(rand.Text()[:6]) + "-",
		streams:  map[*stream]struct{}{},
		pending:  map[string]*pending{},
		inbound:  map[string]*inbound{},
	}
	if o.limits != nil {
		c.limits = o.limits.withDefaults()
	}
	c.timeout = c.limits.Timeout
	if o.timeout > 0 {
		c.timeout = o.timeout
	}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

var (
	errClosed   = errors.New("connection closed")
	errNoAnswer = errors.New("the stream ended without an answer")
	errDraining = errors.New("the node is stopping")
)

// run accepts streams until the connection ends.
func (c *Client) run() error {
	defer close(c.done)
	if !c.server.join(c) {
		c.end(core.CodeShutdown, errDraining)
		c.wg.Wait()
		return nil
	}
	defer c.server.leave(c)
	if c.accepted && c.server.Connected != nil {
		c.launch(func() { c.server.Connected(c.ctx, c) })
	}
	for {
		st, err := c.conn.AcceptStream(c.ctx)
		if err != nil {
			c.end(core.CodeNone, err)
			break
		}
		s := c.newStream(st, false, nil)
		if !c.adopt(s) {
			break
		}
		c.launch(s.read)
	}
	c.wg.Wait()
	return nil
}

// launch runs f on a goroutine that ends before Done does; it reports false if
// the connection has ended.
func (c *Client) launch(f func()) bool {
	c.gate.Lock()
	defer c.gate.Unlock()
	if c.gated {
		return false
	}
	c.wg.Go(f)
	return true
}

// The other end may leave maxIdleStreams open and unused for longer than
// idleStream; of more, the longest unused are ended.
const (
	maxIdleStreams = 32
	idleStream     = time.Second
)

// adopt adds a stream; it reports false if the connection has ended.
func (c *Client) adopt(s *stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		s.st.CancelWrite(core.CodeNone)
		s.st.CancelRead(core.CodeNone)
		return false
	}
	if !s.opened {
		c.retireIdle()
		if c.only == nil {
			c.only = s
			close(c.first)
		}
	}
	c.streams[s] = struct{}{}
	return true
}

// retireIdle ends the longest idle of too many accepted streams: callers that
// leave a stream open after each call would run out of them. c.mu is held.
func (c *Client) retireIdle() {
	if len(c.streams) <= maxIdleStreams || c.retiring != nil {
		return
	}
	c.retiring = time.AfterFunc(idleStream, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.retiring = nil
		if c.closing {
			return
		}
		var idle []*stream
		young := 0
		now := c.clock()
		for s := range c.streams {
			switch {
			case s.opened || !s.idleBefore(now):
			case s.idleBefore(now - idleStream):
				idle = append(idle, s)
			default:
				young++
			}
		}
		slices.SortFunc(idle, func(a, b *stream) int { return cmp.Compare(a.lastUse(), b.lastUse()) })
		for _, s := range idle[:max(0, len(idle)-maxIdleStreams)] {
			if s.retire(now - idleStream) {
				delete(c.streams, s)
			}
		}
		if young > 0 {
			c.retireIdle()
		}
	})
}

func (c *Client) forget(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.streams[s]; there && s.own != nil {
		c.owned.Add(-1)
	}
	delete(c.streams, s)
	if c.lane == s {
		c.lane = nil
	}
}

// noLane lets no further call use a stream that has ended for reading.
func (c *Client) noLane(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lane == s {
		c.lane = nil
	}
}

// Close ends the connection. Calls in both directions are cancelled; it does
// not wait for handlers, as Done does.
func (c *Client) Close() error {
	code := core.CodeNone
	if c.single.Load() && !c.abortAll() {
		code = core.CodeShutdown
	}
	c.end(code, errClosed)
	return nil
}

// closeGrace is how long Close waits for its aborts to be written.
const closeGrace = 100 * time.Millisecond

// abortAll aborts the calls made here, and reports whether the other end has
// been told. The end of a single stream can be the end of one direction only,
// so it does not say that nobody waits for answers.
func (c *Client) abortAll() bool {
	c.mu.Lock()
	lane := c.lane
	ids := slices.Collect(maps.Keys(c.pending))
	c.mu.Unlock()
	if lane == nil || len(ids) == 0 {
		return true
	}
	for _, id := range ids {
		c.sendAbort(lane, id)
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	return lane.out.flush(ctx)
}

// Done is closed when the connection has ended and all that ran for it has
// returned.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is why the connection has ended, nil as long as it has not.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Identity is who the other end is on this node; zero if it is nobody.
func (c *Client) Identity() core.Identity { return c.who.Who() }

// end closes the connection, once, and fails everything.
func (c *Client) end(code uint64, err error) {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return
	}
	c.closing, c.err = true, err
	if c.retiring != nil {
		c.retiring.Stop()
	}
	if c.watcher != nil {
		c.watcher.Stop()
	}
	all := c.pending
	c.pending = map[string]*pending{}
	streams := c.streams
	c.streams = map[*stream]struct{}{}
	if c.checker != nil {
		c.checker.Stop()
	}
	c.gate.Lock()
	c.gated = true
	c.gate.Unlock()
	c.mu.Unlock()
	c.workers.close()
	for _, in := range c.calls() {
		in.ctx.cancel(err)
	}
	c.cancel()
	c.conn.Close(code, reasonOf(err))
	for s := range streams {
		s.out.fail(err)
	}
	for _, p := range all {
		p.fail(closedError(err))
	}
}

func reasonOf(err error) string {
	if errors.Is(err, errDraining) || errors.Is(err, errFlooded) {
		return err.Error()
	}
	return ""
}

func closedError(err error) *Error {
	e := Errorf(CodeInternal, "connection closed: %w", err)
	if errors.Is(err, errClosed) {
		e = Errorf(CodeInternal, "%w", err)
	}
	return e
}

// clock counts from the connection's start; it is cheaper than the time of day.
func (c *Client) clock() time.Duration { return time.Since(c.started) + 1 }

// newID is unique on this connection, whichever end makes it.
func (c *Client) newID() string {
	var b [24]byte
	return string(strconv.AppendUint(append(b[:0], c.idPrefix...), c.lastID.Add(1), 36))
}

// maxLines is how much of the log one connection may fill.
const maxLines = 8

// log tells of the other end's faults; err may quote what it sent, in part.
func (c *Client) log(what string, err error) {
	if c.told.Add(1) > maxLines {
		return
	}
	addr := ""
	if a := c.conn.RemoteAddr(); a != nil && c.accepted { // a destination is nobody's business
		addr = a.String()
	}
	c.server.logger().Warn("call: "+what, "remote_addr", addr, "err", err)
}
