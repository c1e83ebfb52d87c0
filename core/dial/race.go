package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/alkdev/alknet/core"
)

const (
	// attemptDelay is the "Connection Attempt Delay" of RFC 8305, section 5.
	attemptDelay = 250 * time.Millisecond
	// bulkDelay keeps QUIC, which needs one round trip less, from winning
	// against TCP on long paths.
	bulkDelay = time.Second
)

// candidate is one way to try.
type candidate struct {
	transport Transport
	host      string         // for the proxy; else only for messages
	addr      netip.AddrPort // zero if the proxy resolves host
	port      uint16
}

func (c candidate) String() string {
	if c.addr.IsValid() {
		return c.addr.String()
	}
	return net.JoinHostPort(c.host, strconv.Itoa(int(c.port)))
}

// established is a finished handshake.
type established struct {
	conn    core.Connection
	info    Info
	verdict verdict
}

type outcome struct {
	candidate candidate
	conn      *established
	err       error
	answered  bool // a server was there, whatever it said
}

// race is a happy-eyeballs race of two lanes (RFC 8305): within a lane,
// addresses follow each other; the second lane starts behind the first.
type race struct {
	lanes [2][]candidate // in order of preference; either may be empty
	delay time.Duration  // of the second lane
	try   func(context.Context, candidate) outcome
	began func(candidate) // may be nil

	results  chan outcome
	timers   [2]*time.Timer
	next     [2]int
	inflight [2]int
	answered [2]bool // somebody answered in the lane
	beaten   [2]bool // the lane had its chance and another lane won
	failed   [2]bool // so beaten after all its attempts had failed by themselves
	failures []Attempt
}

// run returns the winner, or nil and why there is none: the error that ends
// the dial, or nil if all attempts failed in their own ways. Every attempt has
// ended when it returns.
func (r *race) run(ctx context.Context) (*established, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.results = make(chan outcome, len(r.lanes[0])+len(r.lanes[1]))
	for i := range r.timers {
		r.timers[i] = time.NewTimer(time.Hour)
		r.timers[i].Stop()
		defer r.timers[i].Stop()
	}
	r.timers[1].Reset(r.delay)
	r.start(ctx, 0)
	for {
		if !r.running() && !r.start(ctx, 0) && !r.start(ctx, 1) {
			return nil, nil
		}
		select {
		case <-r.timers[0].C:
			r.start(ctx, 0)
		case <-r.timers[1].C:
			r.start(ctx, 1)
		case o := <-r.results:
			lane := r.collect(o)
			switch {
			case o.conn != nil:
				r.judge(lane)
				cancel()
				r.drain()
				return o.conn, nil
			case errors.Is(o.err, ErrNotTrusted):
				cancel()
				r.drain()
				return nil, o.err
			}
			if !r.start(ctx, lane) && lane == 0 && r.next[1] == 0 && r.inflight[0] == 0 {
				r.start(ctx, 1)
			}
		}
	}
}

func (r *race) running() bool { return r.inflight[0]+r.inflight[1] > 0 }

// start begins the next attempt of a lane, and reports whether there was one.
func (r *race) start(ctx context.Context, lane int) bool {
	if r.next[lane] >= len(r.lanes[lane]) || ctx.Err() != nil {
		return false
	}
	c := r.lanes[lane][r.next[lane]]
	if r.began != nil {
		r.began(c)
	}
	r.next[lane]++
	r.inflight[lane]++
	r.timers[lane].Reset(attemptDelay)
	go func() {
		o := r.try(ctx, c)
		o.candidate = c
		r.results <- o
	}()
	return true
}

func (r *race) collect(o outcome) (lane int) {
	if len(r.lanes[0]) == 0 || r.lanes[0][0].transport != o.candidate.transport {
		lane = 1
	}
	r.inflight[lane]--
	if o.answered || o.conn != nil {
		r.answered[lane] = true
	}
	if o.err != nil {
		r.failures = append(r.failures, Attempt{o.candidate.transport, o.candidate.String(), o.err})
	}
	return lane
}

// drain waits for the losers and closes those that have won too late.
func (r *race) drain() {
	for r.running() {
		o := <-r.results
		r.collect(o)
		if o.conn != nil {
			o.conn.conn.Close(core.CodeNone, "")
		}
	}
}

// judge notes what the winner says about the other lane. One that started
// behind the winner has not had its chance unless it failed by itself.
func (r *race) judge(winner int) {
	other := 1 - winner
	ended := r.inflight[other] == 0 && r.next[other] == len(r.lanes[other])
	r.failed[other] = r.next[other] > 0 && ended
	r.beaten[other] = r.failed[other] || other == 0
}

// silenceOf tells what the race has shown about t: nothing, that nobody had
// answered yet, or that nobody does.
func (r *race) silenceOf(t Transport) evidence {
	for i, lane := range r.lanes {
		switch {
		case len(lane) == 0 || lane[0].transport != t || !r.beaten[i] || r.answered[i]:
		case r.failed[i]:
			return certain
		default:
			return likely
		}
	}
	return none
}
