package call

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/alkdev/alknet/call/internal/wire"
	"github.com/alkdev/alknet/core"
)

// subscribed sends what a subscription yields.
func (c *Client) subscribed(in *inbound, r *Request, e *entry, req wire.Request) reply {
	var window *credit
	if req.Window > 0 {
		window = newCredit(req.Window)
	}
	c.mu.Lock()
	in.subscription, in.credit = true, window
	in.recheck = func() *Error { return c.still(e, req) }
	c.keepChecking()
	early, deaf := in.early, c.deaf
	c.mu.Unlock()
	if deaf {
		in.ctx.cancel(errAborted)
	}
	if window != nil {
		window.give(early)
	}
	if c.server.stopping() { // and stopSubscriptions came before
		in.ctx.cancel(errDraining)
	}
	for output, failed := range c.server.stream(&in.ctx, r, e, orNull(req.Input)) {
		if failed == nil {
			failed = fits(CodeInternal, "answer", output, 0)
		}
		if failed != nil {
			if failure := in.stopped(); failure != nil {
				failed = failure
			}
			return reply{failure: tellable(failed)}
		}
		size := 0
		err := window.wait(&in.ctx)
		if err == nil {
			err = in.ctx.Err()
		}
		if err == nil {
			err = in.stream.out.put(&in.ctx, func(b []byte) []byte {
				framed := wire.AppendResponse(b, in.id, output)
				size = len(framed) - len(b) - 4
				return framed
			})
		}
		if err != nil {
			if failure := in.stopped(); failure != nil {
				return reply{failure: failure}
			}
			in.ctx.cancel(errAborted)
			return reply{none: true}
		}
		window.take(size)
	}
	if failure := in.stopped(); failure != nil {
		return reply{failure: failure}
	}
	return reply{completed: true, none: in.ctx.Err() != nil}
}

// stopped is the error of a subscription that was ended from here.
func (in *inbound) stopped() *Error {
	switch in.ctx.why() {
	case errDraining:
		return overloaded("%v", errDraining)
	case errWithdrawn:
		return Errorf(CodeForbidden, "%w", errWithdrawn)
	}
	return nil
}

var errWithdrawn = errors.New("the rights to the subscription were withdrawn")

// checkRights is how often the rights of running subscriptions are looked at.
const checkRights = 2 * time.Second

// keepChecking sees to it that subscriptions end with their rights. c.mu is held.
func (c *Client) keepChecking() {
	if c.checker == nil && !c.closing {
		c.checker = time.AfterFunc(checkRights, c.checkSubscriptions)
	}
}

func (c *Client) checkSubscriptions() {
	c.mu.Lock()
	var all []*inbound
	for _, in := range c.inbound {
		if in.recheck != nil {
			all = append(all, in)
		}
	}
	c.checker = nil
	if len(all) > 0 {
		c.keepChecking()
	}
	c.mu.Unlock()
	for _, in := range all {
		if in.recheck() != nil {
			in.ctx.cancel(errWithdrawn)
		}
	}
}

// still asks again what admit has decided.
func (c *Client) still(e *entry, req wire.Request) *Error {
	id := core.Identity{}
	if ids := c.server.Identities; ids == nil {
		if !req.HasToken {
			id = c.who.Who()
		}
	} else if req.HasToken {
		id, _ = ids.ByToken(c.ctx, req.Token)
	} else if who := c.who.Who(); !who.IsZero() {
		id, _ = ids.Refresh(c.ctx, who)
	}
	return e.gate.allow(c.server.Ownership, id, req.Input)
}

// A credit is how much of a subscription may still be sent. Nil never waits.
type credit struct {
	mu   sync.Mutex
	left int
	more chan struct{} // capacity 1
}

func newCredit(window int) *credit { return &credit{left: window, more: make(chan struct{}, 1)} }

func (c *credit) give(n int) {
	c.mu.Lock()
	c.left = min(c.left+n, wire.MaxFrame)
	c.mu.Unlock()
	signal(c.more)
}

func (c *credit) take(n int) {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.left -= n
	c.mu.Unlock()
}

func (c *credit) wait(ctx context.Context) error {
	if c == nil {
		return nil
	}
	for {
		c.mu.Lock()
		left := c.left
		c.mu.Unlock()
		if left > 0 {
			return nil
		}
		select {
		case <-c.more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
