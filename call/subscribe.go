package call

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"sync"

	"github.com/alkdev/alknet/call/internal/wire"
	"github.com/alkdev/alknet/core"
)

// Subscribe implements [Caller].
func (c *Client) Subscribe(ctx context.Context, operation string, input json.RawMessage) iter.Seq2[json.RawMessage, error] {
	return c.subscribe(ctx, operation, input, func([]byte) {})
}

// LendEach is Subscribe for who needs each answer until the next one only: its
// memory then serves others.
func (c *Client) LendEach(ctx context.Context, operation string, input json.RawMessage) iter.Seq2[json.RawMessage, error] {
	return c.subscribe(ctx, operation, input, wire.Recycle)
}

// subscribe passes the frame of each answer to taken, once that is consumed.
func (c *Client) subscribe(ctx context.Context, operation string, input json.RawMessage, taken func(frame []byte)) iter.Seq2[json.RawMessage, error] {
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
				taken(body)
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
