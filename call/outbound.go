package call

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/alkdev/alknet/call/internal/wire"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

const (
	// laneInput is the largest input that shares a stream.
	laneInput = 16 << 10
	// maxOwned is how many calls have streams of their own at a time, if the
	// other end allows to share; connections have 128 streams.
	maxOwned = 96
	// probeAfter is the number of calls that shows that more will come.
	probeAfter = 2
)

var noKey auth.Key

// A pending is a call made here whose last answer has not come.
type pending struct {
	id       string
	stream   *stream       // that it was sent on; protected by Client.mu
	deadline time.Duration // on the connection's clock; 0: none, or its context has one

	answer chan answer // capacity 1; nil for a subscription
	queue  *queue      // nil for a call
}

type answer struct {
	body []byte
	err  *Error
}

func (p *pending) fail(err *Error) {
	if p.queue != nil {
		p.queue.fail(err)
		return
	}
	select {
	case p.answer <- answer{err: err}:
	default:
	}
}

type tokenKey struct{}

// ContextWithToken makes calls of a [Client] under ctx carry token as their
// auth_token, in the place of that of [WithToken].
func ContextWithToken(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, tokenKey{}, token)
}

// tokenFor never lets an empty token stand for none: the rights would be those
// of the connection.
func (c *Client) tokenFor(ctx context.Context) (string, *Error) {
	token, ok := ctx.Value(tokenKey{}).(string)
	if !ok {
		if c.token == nil {
			return "", nil
		}
		token = *c.token
	}
	if token == "" || len(token) > maxToken {
		return "", Errorf(CodeForbidden, "the token for the call is empty, or longer than %d bytes", maxToken)
	}
	return token, nil
}

const maxToken = 4096

type forwardedKey struct{}

// withForwarded makes calls under ctx carry forwarded_for.
func withForwarded(ctx context.Context, f *ForwardedFor) context.Context {
	return context.WithValue(ctx, forwardedKey{}, f)
}

func forwardedBy(ctx context.Context) []byte {
	f, _ := ctx.Value(forwardedKey{}).(*ForwardedFor)
	if f == nil {
		return nil
	}
	b, err := json.Marshal(f)
	if err != nil {
		return nil
	}
	return b
}

// Call implements [Caller].
func (c *Client) Call(ctx context.Context, operation string, input json.RawMessage) (json.RawMessage, error) {
	p := &pending{id: c.newID(), answer: make(chan answer, 1)}
	if _, ok := ctx.Deadline(); !ok {
		p.deadline = c.clock() + c.timeout
	}
	if c.made.Add(1) >= probeAfter {
		c.startProbing()
	}
	if err := c.send(ctx, p, operation, input, len(input) > laneInput); err != nil {
		return nil, err
	}
	select {
	case a := <-p.answer:
		return c.output(p, a)
	case <-ctx.Done():
		c.abandon(p)
		return nil, ended(ctx)
	}
}

func (c *Client) output(p *pending, a answer) (json.RawMessage, error) {
	if a.err != nil {
		return nil, a.err
	}
	ans, err := wire.DecodeAnswer(a.body)
	switch {
	case err != nil:
		return nil, c.malformed(p, err)
	case ans.Type == wire.Responded:
		return orNull(ans.Output), nil
	case ans.Type == wire.Error:
		return nil, remoteError(ans)
	case ans.Type == wire.Aborted:
		return nil, Errorf(CodeInternal, "request cancelled by the other end")
	}
	return nil, Errorf(CodeInternal, "the operation ended without an answer")
}

func remoteError(a wire.Answer) *Error {
	if !a.Decodable {
		return Errorf(CodeInternal, "an error that cannot be read")
	}
	return &Error{Code: a.Code, Message: a.Message, Retryable: a.Retryable, Details: a.Details}
}

// ended is the error of a call whose context has.
func ended(ctx context.Context) *Error {
	err := context.Cause(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return Errorf(CodeTimeout, "request timed out: %w", err)
	}
	return Errorf(CodeInternal, "request cancelled: %w", err)
}

// send registers a call and puts its request on a stream.
func (c *Client) send(ctx context.Context, p *pending, operation string, input json.RawMessage, alone bool) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	token, refused := c.tokenFor(ctx)
	if refused != nil {
		return refused
	}
	if failure := sendable(CodeInvalidInput, "input", input, len(operation)); failure != nil {
		return failure
	}
	s, own, err := c.pick(ctx, p, alone)
	if err != nil {
		return c.unsent(ctx, err)
	}
	c.mu.Lock()
	if c.closing {
		err := c.err
		c.mu.Unlock()
		return closedError(err)
	}
	p.stream = s
	c.pending[p.id] = p
	c.mu.Unlock()
	if !s.readable() {
		c.abandon(p)
		return c.unsent(ctx, errNoAnswer)
	}
	c.watch()
	window := 0
	if p.queue != nil && !own {
		window = c.limits.window()
		p.queue.share(window)
	}
	forwarded := forwardedBy(ctx)
	frame := func(b []byte) []byte {
		return wire.AppendRequest(b, p.id, operation, input, token, forwarded, window)
	}
	if err = s.out.try(frame); errors.Is(err, errFull) {
		limited, cancel := c.limited(ctx)
		defer cancel()
		ctx = limited
		err = s.out.put(ctx, frame)
	}
	if err != nil {
		c.abandon(p)
		return c.unsent(ctx, err)
	}
	return nil
}

// limited bounds what a call waits for before it is sent.
func (c *Client) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.timeout)
}

func (c *Client) unsent(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ended(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return Errorf(CodeTimeout, "request timed out after %v", c.timeout)
	}
	if err := c.Err(); err != nil {
		return closedError(err)
	}
	return Errorf(CodeInternal, "failed to send the request: %w", err)
}

// pick chooses the stream of a request, and tells whether it is the request's
// own. docs/wire/call.md, section 6.
func (c *Client) pick(ctx context.Context, p *pending, alone bool) (*stream, bool, error) {
	lane, err := c.shared(ctx)
	if err != nil {
		return nil, false, err
	}
	concurrent := c.concurrent.Load()
	if c.single.Load() || concurrent && (!alone || c.owned.Load() >= maxOwned) {
		return lane, false, nil
	}
	limited, cancel := c.limited(ctx)
	defer cancel()
	st, err := c.conn.OpenStream(limited)
	if errors.Is(err, core.ErrStreamUnavailable) {
		c.single.Store(true)
		return lane, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	c.owned.Add(1)
	s := c.newStream(st, true, p)
	if !c.adopt(s) {
		return nil, false, errClosed
	}
	c.launch(s.read)
	return s, true, nil
}

// shared is the stream for small calls and for aborts. The first stream that
// is opened becomes it, since it may be the only one.
func (c *Client) shared(ctx context.Context) (*stream, error) {
	c.mu.Lock()
	lane := c.lane
	c.mu.Unlock()
	if lane != nil {
		return lane, nil
	}
	ctx, cancel := c.limited(ctx)
	defer cancel()
	select {
	case c.opening <- struct{}{}:
		defer func() { <-c.opening }()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.ctx.Done():
		return nil, errClosed
	}
	c.mu.Lock()
	lane = c.lane
	c.mu.Unlock()
	if lane != nil {
		return lane, nil
	}
	st, err := c.conn.OpenStream(ctx)
	if errors.Is(err, core.ErrStreamUnavailable) {
		return c.onlyStream(ctx)
	}
	if err != nil {
		return nil, err
	}
	s := c.newStream(st, true, nil)
	if !c.adopt(s) {
		return nil, errClosed
	}
	c.launch(s.read)
	c.mu.Lock()
	c.lane = s
	c.mu.Unlock()
	return s, nil
}

// onlyStream is the stream of a connection that opens none from here.
func (c *Client) onlyStream(ctx context.Context) (*stream, error) {
	c.single.Store(true)
	if !c.accepted {
		return nil, errClosed // it was opened, and has ended
	}
	select {
	case <-c.first:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.ctx.Done():
		return nil, errClosed
	}
	c.mu.Lock()
	only := c.only
	c.mu.Unlock()
	if !only.readable() {
		return nil, errNoAnswer
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lane = only
	return only, nil
}

// startProbing asks the other end, once, whether calls may share a stream.
func (c *Client) startProbing() {
	if c.single.Load() {
		return
	}
	c.probing.Do(func() { c.launch(c.probe) })
}

func (c *Client) probe() {
	p := &pending{id: c.newID(), answer: make(chan answer, 1)}
	ctx, cancel := context.WithTimeout(c.ctx, c.timeout)
	defer cancel()
	if c.send(ctx, p, "services/list", json.RawMessage(`{"limit":1}`), false) != nil {
		return
	}
	select {
	case a := <-p.answer:
		if out, err := c.output(p, a); err == nil && announcesConcurrency(out) {
			c.concurrent.Store(true)
		}
	case <-ctx.Done():
		c.abandon(p)
	}
}

func announcesConcurrency(list []byte) bool {
	var v struct {
		Protocol struct {
			Concurrent bool `json:"concurrent"`
		} `json:"protocol"`
	}
	return json.Unmarshal(list, &v) == nil && v.Protocol.Concurrent
}

// malformed drops the stream of an answer that is none.
func (c *Client) malformed(p *pending, err error) *Error {
	c.log("malformed answer", err)
	c.mu.Lock()
	s := p.stream
	c.mu.Unlock()
	s.lose(err, core.CodeProtocol)
	return Errorf(CodeInternal, "malformed answer: %w", err)
}

// abandon forgets a call and aborts it on the other end; it reports false if
// the call has ended.
func (c *Client) abandon(p *pending) bool {
	c.mu.Lock()
	_, there := c.pending[p.id]
	delete(c.pending, p.id)
	s, lane := p.stream, c.lane
	c.mu.Unlock()
	if !there {
		return false
	}
	if lane != nil {
		c.sendAbort(lane, p.id)
	}
	if s.own == p {
		s.lose(errClosed, core.CodeNone)
	}
	return true
}

// sendAbort uses the shared stream, which carries no requests as long as the
// other end may be one that reads a stream's requests one after the other.
func (c *Client) sendAbort(lane *stream, id string) {
	err := lane.out.push(func(b []byte) []byte { return wire.AppendEvent(b, wire.Aborted, id) })
	if errors.Is(err, errFlooded) {
		c.end(core.CodeLimit, err)
	}
}

// unanswered fails the calls that were sent on a stream.
func (c *Client) unanswered(s *stream, err error) {
	c.mu.Lock()
	var lost []*pending
	for id, p := range c.pending {
		if p.stream == s {
			lost = append(lost, p)
			delete(c.pending, id)
		}
	}
	c.mu.Unlock()
	for _, p := range lost {
		p.fail(Errorf(CodeInternal, "%w", err))
	}
}

// answered routes an answer that came on s.
func (c *Client) answered(s *stream, t wire.Type, id string, body []byte) error {
	c.mu.Lock()
	p := c.pending[id]
	if p != nil && (p.queue == nil || t != wire.Responded) {
		delete(c.pending, id)
	}
	lane := c.lane
	var on *stream
	if p != nil {
		on = p.stream
	}
	c.mu.Unlock()
	if p == nil {
		// An operation that was called and is a subscription goes on.
		if t == wire.Responded && lane != nil && strings.HasPrefix(id, c.idPrefix) {
			c.sendAbort(lane, id)
		}
		return nil
	}
	if p.queue == nil {
		select {
		case p.answer <- answer{body: body}:
		default: // it has failed already
		}
	} else if !p.queue.add(body, t != wire.Responded, s.own == p) {
		c.abandon(p)
		p.queue.fail(errSlow())
	}
	if on.own == p && (p.queue == nil || t != wire.Responded) {
		on.release()
	}
	return nil
}

func errSlow() *Error {
	e := Errorf(CodeInternal, "the subscriber is too slow for a stream that it shares: its queue is full")
	e.Retryable = true
	return e
}

// Subscribe implements [Caller].
func (c *Client) Subscribe(ctx context.Context, operation string, input json.RawMessage) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		p := &pending{id: c.newID(), queue: newQueue(c.limits.SubscriptionBytes)}
		if err := c.send(ctx, p, operation, input, true); err != nil {
			yield(nil, err)
			return
		}
		defer func() { c.abandon(p) }() // unless it has ended
		defer close(p.queue.stopped)
		for {
			body, credit, err := p.queue.next(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			if credit > 0 {
				c.credit(p, credit)
			}
			ans, derr := wire.DecodeAnswer(body)
			switch {
			case derr != nil:
				yield(nil, c.malformed(p, derr))
				return
			case ans.Type == wire.Responded:
				if !yield(orNull(ans.Output), nil) {
					return
				}
			case ans.Type == wire.Error:
				yield(nil, remoteError(ans))
				return
			default:
				return
			}
		}
	}
}

// credit tells the callee how much has been consumed.
func (c *Client) credit(p *pending, bytes int) {
	c.mu.Lock()
	s := p.stream
	c.mu.Unlock()
	err := s.out.push(func(b []byte) []byte { return wire.AppendCredit(b, p.id, bytes) })
	if errors.Is(err, errFlooded) {
		c.end(core.CodeLimit, err)
	}
}

// A queue holds the answers of a subscription that its consumer has not taken.
type queue struct {
	limit int

	mu      sync.Mutex
	items   [][]byte
	bytes   int
	window  int // 0 if the callee's stream does the flow control
	used    int // of the window, and not given back yet
	over    bool
	err     *Error
	more    chan struct{} // capacity 1
	room    chan struct{} // capacity 1
	stopped chan struct{} // closed when the consumer has left
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, more: make(chan struct{}, 1), room: make(chan struct{}, 1), stopped: make(chan struct{})}
}

func (q *queue) share(window int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.window = window
}

// ownQueue is how much waits where the stream serves this subscription alone.
const ownQueue = 64 << 10

// add takes an answer. On the subscription's own stream it waits for room;
// else it reports false if there is none.
func (q *queue) add(body []byte, last, own bool) bool {
	q.mu.Lock()
	for own && !last && q.bytes >= ownQueue && q.err == nil {
		q.mu.Unlock()
		select {
		case <-q.room:
		case <-q.stopped:
			return true
		}
		q.mu.Lock()
	}
	defer q.mu.Unlock()
	if q.over || q.err != nil {
		return true
	}
	if !own && !last && q.bytes > 0 && q.bytes+len(body) > q.limit {
		return false
	}
	q.items = append(q.items, body)
	q.bytes += len(body)
	q.over = last
	signal(q.more)
	return true
}

func (q *queue) fail(err *Error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil && !q.over {
		q.err = err
	}
	signal(q.more)
	signal(q.room)
}

// next returns the next answer, and how much of the window it gives back. What
// came before a failure is returned before it.
func (q *queue) next(ctx context.Context) (body []byte, credit int, err error) {
	for {
		if ctx.Err() != nil {
			return nil, 0, ended(ctx)
		}
		q.mu.Lock()
		if len(q.items) > 0 {
			body = q.items[0]
			q.items[0] = nil
			q.items = q.items[1:]
			q.bytes -= len(body)
			if q.window > 0 {
				if q.used += len(body); q.used >= q.window/2 {
					credit, q.used = q.used, 0
				}
			}
			signal(q.room)
			q.mu.Unlock()
			return body, credit, nil
		}
		failed := q.err
		q.mu.Unlock()
		if failed != nil {
			return nil, 0, failed
		}
		select {
		case <-q.more:
		case <-ctx.Done():
			return nil, 0, ended(ctx)
		}
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func orNull(b []byte) json.RawMessage {
	if b == nil {
		return json.RawMessage("null")
	}
	return b
}
