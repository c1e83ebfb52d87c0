package call

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
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
	output, _, err := c.call(ctx, operation, input)
	return output, err
}

// Lend is Call for who needs the answer for a moment: use gets it and keeps
// nothing of it, since its memory then serves other calls. An error of use is
// returned as it is.
func (c *Client) Lend(ctx context.Context, operation string, input json.RawMessage, use func(output json.RawMessage) error) error {
	output, frame, err := c.call(ctx, operation, input)
	if err != nil {
		return err
	}
	err = use(output)
	wire.Recycle(frame)
	return err
}

// call also returns the frame that the answer stands in.
func (c *Client) call(ctx context.Context, operation string, input json.RawMessage) (output json.RawMessage, frame []byte, err error) {
	p := &pending{id: c.newID(), answer: make(chan answer, 1)}
	if _, ok := ctx.Deadline(); !ok {
		p.deadline = c.clock() + c.timeout
	}
	if c.made.Add(1) >= probeAfter {
		c.startProbing()
	}
	if err := c.send(ctx, p, operation, input, len(input) > laneInput); err != nil {
		return nil, nil, err
	}
	select {
	case a := <-p.answer:
		output, err = c.output(p, a)
		return output, a.body, err
	case <-ctx.Done():
		c.abandon(p)
		return nil, nil, ended(ctx)
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

func orNull(b []byte) json.RawMessage {
	if b == nil {
		return json.RawMessage("null")
	}
	return b
}
