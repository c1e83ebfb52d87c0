package call_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
)

const hops = 5

// A chain is hops connections from one node to the next. What the last node
// has, each node before it imports from the one after it and exposes.
type chain struct {
	first  *call.Link
	prefix string // of the last node's operations, at the second node
	places []*place
}

func newChain(t *testing.T, pair func() (core.Connection, core.Connection), delay time.Duration, last *call.Server) (*chain, func()) {
	t.Helper()
	c := &chain{}
	srv := last
	var stops []func()
	for i := hops; i > 0; i-- {
		p := newPlace(t, pair, srv)
		p.delay = delay
		l := &call.Link{Name: fmt.Sprintf("n%d", i), Dial: p.dial}
		if i > 1 {
			srv = register(t)
			srv.Peers = new(call.Peers)
			l.Server = srv
			l.Import = &call.Import{Prefix: l.Name, Expose: []call.Exposure{{l.Name + "/**", "call:chain"}}}
			c.prefix = l.Name + "/" + c.prefix
		} else {
			c.first = l
		}
		c.places = append([]*place{p}, c.places...)
		stops = append(stops, run(t, l, p))
		ready(t, l)
	}
	return c, func() {
		for i := range stops {
			stops[len(stops)-1-i]()
		}
	}
}

// waiting is a server of last/wait and last/watch, which wait for their end
// and tell when it came.
func waiting(t *testing.T, began chan<- struct{}, ended chan<- time.Time) *call.Server {
	t.Helper()
	wait := public(query("last/wait"))
	wait.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		began <- struct{}{}
		<-ctx.Done()
		ended <- time.Now()
		return nil, ctx.Err()
	}
	watch := call.Operation{Spec: call.Spec{Name: "last/watch", Type: call.TypeSubscription, Access: call.Access{Public: true}}}
	watch.Stream = func(ctx context.Context, _ json.RawMessage) iter.Seq2[json.RawMessage, error] {
		return func(yield func(json.RawMessage, error) bool) {
			yield(json.RawMessage("1"), nil)
			began <- struct{}{}
			<-ctx.Done()
			ended <- time.Now()
		}
	}
	return register(t, wait, watch)
}

func TestAbortReachesTheLastOfFiveNodesInOneDelayAHop(t *testing.T) {
	const delay = 50 * time.Millisecond
	inBubble(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		began, ended := make(chan struct{}, 1), make(chan time.Time, 1)
		c, stop := newChain(t, pair, delay, waiting(t, began, ended))
		defer stop()
		for name, ask := range map[string]func(context.Context) error{
			"call": func(ctx context.Context) error {
				return second(c.first.Call(ctx, c.prefix+"last/wait", nil))
			},
			"subscription": func(ctx context.Context) error {
				for _, err := range c.first.Subscribe(ctx, c.prefix+"last/watch", nil) {
					if err != nil {
						return err
					}
				}
				return nil
			},
		} {
			for range 3 { // also once it is known that requests may share a stream
				ctx, abort := context.WithCancel(t.Context())
				failed := make(chan error, 1)
				go func() { failed <- ask(ctx) }()
				<-began
				elapse(time.Second) // what the first item brought about is over
				start := time.Now()
				abort()
				if err := <-failed; call.CodeOf(err) != call.CodeInternal || !time.Now().Equal(start) {
					t.Errorf("%s: the caller got %v after %v", name, err, time.Since(start))
				}
				if took := (<-ended).Sub(start); took != hops*delay {
					t.Errorf("%s: the last handler ended after %v, not after %d delays of %v", name, took, hops, delay)
				}
			}
		}
	})
}

func TestLeavingASubscriptionEndsItAtTheLastNode(t *testing.T) {
	inBubble(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		began, ended := make(chan struct{}, 1), make(chan time.Time, 1)
		c, stop := newChain(t, pair, 0, waiting(t, began, ended))
		defer stop()
		for _, err := range c.first.Subscribe(t.Context(), c.prefix+"last/watch", nil) {
			must(t, err)
			break
		}
		<-began
		<-ended
	})
}

func TestSubscriptionsAreForwardedWholeAndInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		reg := new(call.Registry)
		must(t, call.Subscription(reg, "last/count", count, call.Public()))
		c, stop := newChain(t, pair, 0, &call.Server{Registry: reg})
		defer stop()
		const all = 5000
		next := 0
		for n, err := range call.Subscribe[int](t.Context(), c.first, c.prefix+"last/count", all) {
			if err != nil || n != next {
				t.Fatalf("item %d: %d %v", next, n, err)
			}
			next++
		}
		if next != all {
			t.Errorf("%d items of %d", next, all)
		}
	})
}

// The first node does not read: the last one has to wait, however much it has.
func TestAForwardedSubscriptionWaitsForItsSubscriber(t *testing.T) {
	inBubble(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		const size, all = 16 << 10, 1536 // 24 MiB
		yielded := 0
		flood := call.Operation{Spec: call.Spec{Name: "last/flood", Type: call.TypeSubscription, Access: call.Access{Public: true}}}
		flood.Stream = func(context.Context, json.RawMessage) iter.Seq2[json.RawMessage, error] {
			item := json.RawMessage(`"` + strings.Repeat("x", size) + `"`)
			return func(yield func(json.RawMessage, error) bool) {
				for yielded < all && yield(item, nil) {
					yielded++
				}
			}
		}
		c, stop := newChain(t, pair, 0, register(t, flood))
		defer stop()
		got := 0
		for _, err := range c.first.Subscribe(t.Context(), c.prefix+"last/flood", nil) {
			must(t, err)
			if got++; got == 1 {
				elapse(time.Minute)
				if held := (yielded - got) * size; held > hops*(2<<20) {
					t.Errorf("%d bytes lie between a subscriber that reads nothing and the last node", held)
				}
			}
		}
		if got != all {
			t.Errorf("%d items of %d", got, all)
		}
	})
}

func TestALostMiddleConnectionFailsTheCallerAndCancelsTheHandler(t *testing.T) {
	inBubble(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		for middle := range hops {
			began, ended := make(chan struct{}, 2), make(chan time.Time, 2)
			c, stop := newChain(t, pair, 0, waiting(t, began, ended))
			failed := make(chan error, 2)
			go func() { failed <- second(c.first.Call(t.Context(), c.prefix+"last/wait", nil)) }()
			go func() {
				for _, err := range c.first.Subscribe(t.Context(), c.prefix+"last/watch", nil) {
					if err != nil {
						failed <- err
					}
				}
			}()
			<-began
			<-began
			c.places[middle].cut(core.CodeInternal)
			for range 2 {
				if err := <-failed; call.CodeOf(err) != call.CodeInternal {
					t.Errorf("connection %d: %v", middle, err)
				}
				<-ended
			}
			stop()
		}
	})
}

func TestTheErrorOfTheLastNodePassesThroughTheChain(t *testing.T) {
	inBubble(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		op := public(query("last/op"))
		op.Input = json.RawMessage(`{"type":"integer"}`)
		op.Errors = []call.ErrorSpec{{Code: "FULL", Schema: json.RawMessage(`{"type":"object"}`)}}
		op.Handle = fails(&call.Error{Code: "FULL", Message: "no room", Details: json.RawMessage(`{"free":0}`)})
		c, stop := newChain(t, pair, 0, register(t, op))
		defer stop()
		_, err := c.first.Call(t.Context(), c.prefix+"last/op", json.RawMessage("1"))
		if e, _ := err.(*call.Error); e == nil || e.Code != "FULL" || string(e.Details) != `{"free":0}` {
			t.Error(err)
		}
		if _, err = c.first.Call(t.Context(), c.prefix+"last/op", json.RawMessage(`"x"`)); call.CodeOf(err) != call.CodeInvalidInput {
			t.Error(err)
		}
		if _, err = c.first.Call(t.Context(), c.prefix+"last/none", nil); call.CodeOf(err) != call.CodeNotFound {
			t.Error(err)
		}
	})
}
