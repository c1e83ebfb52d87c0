package call

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/alkdev/alknet/core"
)

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
