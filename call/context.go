package call

import (
	"context"
	"sync"
	"time"
)

// A callContext is the context of one call that came in. Contexts derived from
// it end before its end returns: abort reaches the whole tree at once. Its
// deadline is watched by the connection, for all calls together.
type callContext struct {
	context.Context // of the connection, for its values; it ends all its calls itself

	mu       sync.Mutex
	started  time.Time     // of the connection
	deadline time.Duration // after started; 0: none
	done     chan struct{}
	err      error
	cause    error
	after    map[*func()]struct{}
}

func (c *callContext) Deadline() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.started.Add(c.deadline), c.deadline > 0
}

func (c *callContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

func (c *callContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// why is the cause of its end; nil if it has not ended.
func (c *callContext) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

func (c *callContext) limit(deadline time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = deadline
}

func (c *callContext) cancel(cause error) { c.end(context.Canceled, cause) }

// expire ends the context if its deadline has passed.
func (c *callContext) expire(now time.Duration) {
	c.mu.Lock()
	due := c.deadline > 0 && now >= c.deadline
	c.mu.Unlock()
	if due {
		c.end(context.DeadlineExceeded, context.DeadlineExceeded)
	}
}

func (c *callContext) end(err, cause error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err, c.cause = err, cause
	if c.done != nil {
		close(c.done)
	}
	after := c.after
	c.after = nil
	c.mu.Unlock()
	for f := range after {
		(*f)()
	}
}

// AfterFunc is what package context propagates cancellation through, to
// contexts derived from one that is not its own.
func (c *callContext) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f() // the caller may hold a lock that f takes
		return func() bool { return false }
	}
	if c.after == nil {
		c.after = map[*func()]struct{}{}
	}
	c.after[&f] = struct{}{}
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, there := c.after[&f]
		delete(c.after, &f)
		return there
	}
}

// AfterFunc lets what a handler derives from its context end with the call.
func (s *scope) AfterFunc(f func()) (stop func() bool) {
	if c, ok := s.Context.(*callContext); ok {
		return c.AfterFunc(f)
	}
	return context.AfterFunc(s.Context, f)
}
