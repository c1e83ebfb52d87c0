package call

import "time"

// watchPeriod is how late a timeout of the connection's may be noticed, where
// timeouts are long.
const watchPeriod = 250 * time.Millisecond

func (c *Client) watchEvery() time.Duration {
	return max(time.Millisecond, min(watchPeriod, c.limits.Timeout/8, c.timeout/8))
}

// watch sees to deadlines and idle workers as long as there are any: one timer
// for all calls, which each would otherwise set and stop.
func (c *Client) watch() {
	if c.watching.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.watching.Load() {
		return
	}
	c.watching.Store(true)
	c.watcher = time.AfterFunc(c.watchEvery(), c.look)
}

func (c *Client) look() {
	now := c.clock()
	var late []*pending
	var running []*inbound
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return
	}
	waiting := false
	for _, p := range c.pending {
		switch {
		case p.deadline == 0:
		case now < p.deadline:
			waiting = true
		default:
			late = append(late, p)
		}
	}
	for _, in := range c.inbound {
		if !in.subscription {
			running = append(running, in)
		}
	}
	if !waiting && len(running) == 0 {
		c.watching.Store(false)
		for s := range c.streams {
			s.out.trim()
		}
	}
	if c.watching.Load() || c.workers.any() {
		c.watching.Store(true)
		c.watcher.Reset(c.watchEvery())
	}
	c.mu.Unlock()
	for _, p := range late {
		if c.abandon(p) {
			p.fail(Errorf(CodeTimeout, "request timed out after %v", c.timeout))
		}
	}
	for _, in := range running {
		in.ctx.expire(now)
	}
	c.workers.trim()
}

// calls lists what the other end has called.
func (c *Client) calls() []*inbound {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*inbound, 0, len(c.inbound))
	for _, in := range c.inbound {
		all = append(all, in)
	}
	return all
}
