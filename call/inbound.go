package call

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"runtime/debug"
	"slices"

	"github.com/alkdev/alknet/call/internal/schema"
	"github.com/alkdev/alknet/call/internal/wire"
	"github.com/alkdev/alknet/core"
)

// An inbound is a call of the other end that has not been answered.
type inbound struct {
	c      *Client
	id     string
	stream *stream
	body   []byte // its frame
	ctx    callContext
	credit *credit // nil until the window is known; protected by Client.mu
	early  int     // credit that came before; protected by Client.mu

	subscription bool          // protected by Client.mu
	recheck      func() *Error // of a subscription's rights; protected by Client.mu
	borrows      bool          // its frame may be used again; of serve alone
}

var (
	errAborted  = errors.New("aborted by the caller")
	errFinished = errors.New("the call is finished")
)

// receive takes one frame. It waits for nothing.
func (c *Client) receive(s *stream, body []byte) error {
	t, rawID, ok := wire.Peek(body)
	id := string(rawID)
	var payload []byte
	if !ok || t == wire.Aborted || t == wire.Credit {
		e, err := wire.Decode(body)
		if err != nil {
			return &malformedError{err}
		}
		t, id, payload = e.Type, e.ID, e.Payload
	}
	switch t {
	case wire.Requested:
		return c.requested(s, id, body)
	case wire.Responded, wire.Completed, wire.Error:
		return c.answered(s, t, id, body)
	case wire.Aborted:
		return c.aborted(s, id, body)
	case wire.Credit:
		c.credited(id, wire.DecodeCredit(payload))
	}
	return nil
}

func (c *Client) requested(s *stream, id string, body []byte) error {
	in := &inbound{c: c, id: id, stream: s}
	c.mu.Lock()
	_, twice := c.inbound[id]
	full := c.serving >= c.limits.InFlight
	if c.closing || twice || full {
		c.mu.Unlock()
		switch {
		case twice:
			return s.refuse(id, Errorf(CodeInvalidInput, "the id %.40q belongs to a call that has not ended", id))
		case full:
			return s.refuse(id, overloaded("too many calls in flight on this connection: at most %d", c.limits.InFlight))
		}
		return nil
	}
	in.ctx.Context, in.ctx.started = c.ctx, c.started
	c.inbound[id] = in
	c.serving++
	c.mu.Unlock()
	if err := s.begin(); err != nil {
		in.leave()
		c.served()
		if errors.Is(err, errGone) {
			return err
		}
		return nil // unanswerable, so not begun
	}
	in.body = body
	if !c.work(in) {
		in.leave()
		s.answered()
		c.served()
	}
	return nil
}

func overloaded(format string, args ...any) *Error {
	e := Errorf(CodeInternal, format, args...)
	e.Retryable = true
	return e
}

// refuse answers from the read loop.
func (s *stream) refuse(id string, e *Error) error {
	err := s.out.push(errorFrame(id, e))
	if errors.Is(err, errFlooded) {
		return err
	}
	return nil
}

func errorFrame(id string, e *Error) func([]byte) []byte {
	return func(b []byte) []byte {
		return wire.AppendError(b, id, e.Code, e.Message, e.Retryable, e.Details)
	}
}

func (c *Client) aborted(s *stream, id string, body []byte) error {
	c.mu.Lock()
	in := c.inbound[id]
	c.mu.Unlock()
	if in != nil {
		in.ctx.cancel(errAborted)
		return nil
	}
	return c.answered(s, wire.Aborted, id, body)
}

// isOnly reports whether s may be the connection's only stream.
func (c *Client) isOnly(s *stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.only == s || c.lane == s
}

// abortUnheard cancels the subscriptions of a connection whose only stream has
// ended: no abort can come any more, and nobody may be left.
func (c *Client) abortUnheard() {
	if c.shared(c.ctx); !c.single.Load() {
		return
	}
	c.mu.Lock()
	c.deaf = true
	c.mu.Unlock()
	c.cancelSubscriptions(errAborted)
}

func (c *Client) cancelSubscriptions(why error) {
	c.mu.Lock()
	var all []*inbound
	for _, in := range c.inbound {
		if in.subscription {
			all = append(all, in)
		}
	}
	c.mu.Unlock()
	for _, in := range all {
		in.ctx.cancel(why)
	}
}

// abortFrom cancels the calls whose answers a lost stream would have carried.
func (c *Client) abortFrom(s *stream) {
	c.mu.Lock()
	var lost []*inbound
	for _, in := range c.inbound {
		if in.stream == s {
			lost = append(lost, in)
		}
	}
	c.mu.Unlock()
	for _, in := range lost {
		in.ctx.cancel(errAborted)
	}
}

func (c *Client) credited(id string, bytes int) {
	c.mu.Lock()
	in := c.inbound[id]
	var cr *credit
	if in != nil {
		if cr = in.credit; cr == nil {
			in.early = min(in.early+bytes, wire.MaxFrame)
		}
	}
	c.mu.Unlock()
	if cr != nil {
		cr.give(bytes)
	}
}

// stopSubscriptions ends the subscriptions of the other end.
func (c *Client) stopSubscriptions() { c.cancelSubscriptions(errDraining) }

// quiet waits until every call of the other end has its answer.
func (c *Client) quiet(ctx context.Context) bool {
	c.mu.Lock()
	if c.serving == 0 {
		c.mu.Unlock()
		return true
	}
	if c.quieting == nil {
		c.quieting = make(chan struct{})
	}
	wait := c.quieting
	c.mu.Unlock()
	select {
	case <-wait:
		return true
	case <-ctx.Done():
		return false
	}
}

// run answers the call.
func (in *inbound) run() {
	var (
		last      reply
		malformed error
		returned  bool
		drain     bool
	)
	defer func() {
		in.leave()
		if !returned { // the handler ended the goroutine (runtime.Goexit), or a wired part panicked
			if v := recover(); v != nil {
				in.c.server.logger().Error("call: a part of the server failed", "panic", v, "stack", string(debug.Stack()))
			}
			last = reply{failure: Errorf(CodeInternal, "the handler failed")}
		}
		switch {
		case malformed != nil:
			in.c.log("malformed", malformed)
			in.stream.lose(malformed, core.CodeProtocol)
		case !last.none && in.ctx.why() != errAborted:
			drain = in.stream.out.putLast(in.c.ctx, func(b []byte) []byte { return last.append(b, in.id) })
		}
		if in.borrows && returned && !in.subscription { // whose rights may be looked at just now
			wire.Recycle(in.body)
		}
		in.c.served()
		in.stream.answered()
		in.ctx.cancel(errFinished)
		if drain {
			in.stream.out.run()
		}
	}()
	last, malformed = in.answer()
	returned = true
}

// leave frees the id, before the last answer tells the other end so.
func (in *inbound) leave() {
	c := in.c
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.inbound, in.id)
}

// served ends a call whose answer waits for nothing but the stream.
func (c *Client) served() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.serving--; c.serving == 0 && c.quieting != nil {
		close(c.quieting)
		c.quieting = nil
	}
}

// flush waits until everything is written.
func (c *Client) flush(ctx context.Context) {
	c.mu.Lock()
	streams := slices.Collect(maps.Keys(c.streams))
	c.mu.Unlock()
	for _, s := range streams {
		s.out.flush(ctx)
	}
}

// A reply is the last frame of a call.
type reply struct {
	failure   *Error
	completed bool // of a subscription
	none      bool // nobody waits for one
	output    json.RawMessage
}

func (r *reply) append(b []byte, id string) []byte {
	switch {
	case r.failure != nil:
		return wire.AppendError(b, id, r.failure.Code, r.failure.Message, r.failure.Retryable, r.failure.Details)
	case r.completed:
		return wire.AppendEvent(b, wire.Completed, id)
	}
	return wire.AppendResponse(b, id, r.output)
}

func failed(e *Error) (reply, error) { return reply{failure: e}, nil }

// answer returns the reply; an error if the request is malformed.
func (in *inbound) answer() (reply, error) {
	srv := in.c.server
	var e *entry
	req, err := wire.DecodeRequest(in.body, func(operation string) *schema.Schema {
		if e = srv.lookup(operation); e == nil {
			return nil
		}
		return e.input
	})
	if err != nil {
		return reply{}, err
	}
	id, err := in.c.identify(&in.ctx, req)
	if err != nil {
		return failed(overloaded("%v", err))
	}
	if srv.stopping() {
		return failed(overloaded("%v", errDraining))
	}
	if !srv.acquire(id, in.c.limits.InFlightIdentity) {
		return failed(overloaded("too many calls in flight for this caller: at most %d", in.c.limits.InFlightIdentity))
	}
	defer srv.release(id)
	r, refused := srv.admit(incoming{
		id: in.id, operation: req.Operation, entry: e, input: req.Input, invalid: req.Invalid,
		identity: id, client: in.c,
	})
	if refused != nil {
		return failed(refused)
	}
	r.ForwardedFor = forwardedFor(req.Forwarded)
	in.borrows = e.op.Borrows
	if e.op.Type == TypeSubscription {
		return in.stream.c.subscribed(in, r, e, req), nil
	}
	in.ctx.limit(in.c.clock() + in.c.limits.Timeout)
	in.c.watch()
	output, failure := srv.once(&in.ctx, r, e, orNull(req.Input))
	if failure == nil {
		failure = fits(CodeInternal, "answer", output, 0)
	}
	return reply{failure: tellable(failure), output: output}, nil
}
