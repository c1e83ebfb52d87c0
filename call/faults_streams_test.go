package call_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/coretest"
)

// A silentSub is a subscription that yields nothing.
type silentSub struct{ begun, ended atomic.Int32 }

func (s *silentSub) serve(ctx context.Context, _ struct{}) iter.Seq2[int, error] {
	return func(func(int, error) bool) {
		s.begun.Add(1)
		<-ctx.Done()
		s.ended.Add(1)
	}
}

func (s *silentSub) server(t *testing.T) *call.Server {
	reg := new(call.Registry)
	must(t, call.Subscription(reg, "test/silent", s.serve))
	return &call.Server{Registry: reg}
}

func TestAContextThatEndsIsNotedBehindQueuedItems(t *testing.T) {
	pairs(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		ended := make(chan struct{}, 1)
		reg := new(call.Registry)
		must(t, call.Subscription(reg, "test/endless", endless(ended, 100)))
		h := &harness{t: t, pair: pair}
		c := h.connect(&call.Server{Registry: reg}, everything)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		items := 0
		for _, err := range c.Subscribe(ctx, "test/endless", nil) {
			if err != nil {
				if !errors.Is(err, context.Canceled) || items != 100 {
					t.Errorf("after %d items: %v", items, err)
				}
				break
			}
			if items++; items == 100 {
				synctest.Wait() // until the queue is full
				cancel()
			}
			if items > 200 {
				t.Error("items come after the end of the context")
				break
			}
		}
		<-ended
	})
}

func TestCreditThatComesBeforeTheCallRunsCounts(t *testing.T) {
	pairs(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		st := visit(t, mathServer(t), pair, everything...).open()
		b := rawFrame(`{"type":"call.requested","id":"1","payload":{"operationId":"/math/count","input":5,"window":1}}`)
		send(t, st, append(b, rawFrame(`{"type":"call.credit","id":"1","payload":{"bytes":1000000}}`)...))
		must(t, st.SetReadDeadline(time.Now().Add(time.Minute)))
		for range 6 {
			receive(t, st)
		}
	})
}

func TestMoreCreditThanIsKeptIsTheMost(t *testing.T) {
	for _, bytes := range []string{"67108865", "4294967295", "4294967296", "9223372036854775807"} {
		t.Run(bytes, func(t *testing.T) {
			pairs(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
				st := visit(t, mathServer(t), pair, everything...).open()
				send(t, st, rawFrame(`{"type":"call.requested","id":"1","payload":{"operationId":"/math/count","input":5,"window":1}}`))
				must(t, st.SetReadDeadline(time.Now().Add(time.Minute)))
				receive(t, st)
				synctest.Wait()
				send(t, st, rawFrame(`{"type":"call.credit","id":"1","payload":{"bytes":%s}}`, bytes))
				for range 5 {
					receive(t, st)
				}
			})
		})
	}
}

// A malformed request is noticed by its worker: what was read until then is
// aborted.
func TestNothingGoesOnBehindAMalformedFrame(t *testing.T) {
	for name, bad := range map[string]string{"envelope": `{}`, "request": `{"type":"call.requested","id":"bad","payload":{,}}`} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sub silentSub
				f := visit(t, sub.server(t), transports["many streams"], everything...)
				for i := range 20 {
					st := f.open()
					for j := range 40 { // so that much is read at a time
						send(t, st, rawFrame(`{"type":"call.aborted","id":"%d","payload":{}}`, j))
					}
					synctest.Wait()
					b := rawFrame("%s", bad)
					for j := range 100 {
						b = append(b, request(fmt.Sprint(i, "-", j), "test/silent", "null")...)
					}
					st.Write(b) // fails when the stream is lost before its end
				}
				synctest.Wait()
				if n, ended := sub.begun.Load(), sub.ended.Load(); n > ended || n > 0 && name == "envelope" {
					t.Errorf("%d subscriptions have begun, %d go on", n, n-ended)
				}
			})
		})
	}
}

// fading rights end when gone is set.
type fading struct {
	gone    atomic.Bool
	shrinks bool // instead
	id      core.Identity
}

func (f *fading) ByKey(context.Context, auth.Key) (core.Identity, error) {
	return core.Identity{}, auth.ErrUnknownKey
}

func (f *fading) ByToken(context.Context, string) (core.Identity, error) {
	return f.now(f.id, auth.ErrUnknownToken)
}

func (f *fading) Refresh(_ context.Context, id core.Identity) (core.Identity, error) {
	return f.now(id, auth.ErrUnknownKey)
}

func (f *fading) now(id core.Identity, unknown error) (core.Identity, error) {
	switch {
	case !f.gone.Load():
		return id, nil
	case f.shrinks:
		id.Scopes = auth.Scopes{}
		return id, nil
	}
	return core.Identity{}, unknown
}

func TestASubscriptionEndsWithItsRights(t *testing.T) {
	for name, test := range map[string]struct {
		opts    []call.ClientOption
		shrinks bool
	}{
		"the token is revoked":     {opts: []call.ClientOption{call.WithToken("secret")}},
		"the token's scope shrank": {opts: []call.ClientOption{call.WithToken("secret")}, shrinks: true},
		"the peer is removed":      {},
		"the peer's scope shrank":  {shrinks: true},
	} {
		t.Run(name, func(t *testing.T) {
			pairs(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
				near, far := pair()
				who := coretest.Auth(t, far, "x", everything...)
				rights := &fading{id: who.Identity, shrinks: test.shrinks}
				var sub silentSub
				srv := sub.server(t)
				srv.Identities = rights
				served := make(chan error, 1)
				go func() { served <- srv.Handle(context.Background(), far, who) }()
				c := call.NewClient(near, test.opts...)
				ended := make(chan error, 1)
				go func() {
					for _, err := range c.Subscribe(context.WithoutCancel(t.Context()), "test/silent", nil) {
						ended <- err
					}
				}()
				<-time.After(time.Minute)
				if n := len(ended); n > 0 || sub.begun.Load() != 1 {
					t.Fatalf("%d begun, %d ended while the rights hold", sub.begun.Load(), n)
				}
				rights.gone.Store(true)
				select {
				case err := <-ended:
					if call.CodeOf(err) != call.CodeForbidden {
						t.Error(err)
					}
				case <-time.After(10 * time.Second):
					t.Error("the subscription goes on")
				}
				synctest.Wait()
				if sub.ended.Load() != 1 && !t.Failed() {
					t.Error("the handler goes on")
				}
				c.Close()
				<-c.Done()
				<-served
			})
		})
	}
}

// A pausing provider has each look at a running subscription's rights wait.
type pausing struct {
	fading
	first       atomic.Bool
	looking, on chan struct{}
}

func (p *pausing) Refresh(_ context.Context, id core.Identity) (core.Identity, error) {
	if p.first.Swap(true) {
		p.looking <- struct{}{}
		<-p.on
	}
	return id, nil
}

// asked notes what it is asked for.
type asked struct{ resources []string }

func (a *asked) Owns(_ core.Identity, _, id, _ string) bool {
	a.resources = append(a.resources, id)
	return true
}

func (a *asked) OwnsAny(core.Identity, string) bool { return a.Owns(core.Identity{}, "", "any", "") }

// The memory of an input serves other calls afterwards.
func TestARightIsNotAskedForByTheInputOfAnEndedSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type input struct {
			ID  string `json:"id"`
			Pad string `json:"pad"`
		}
		var sub silentSub
		reg, rights, owners := new(call.Registry), &pausing{looking: make(chan struct{}), on: make(chan struct{})}, new(asked)
		must(t, call.Subscription(reg, "job/watch", func(ctx context.Context, _ input) iter.Seq2[int, error] {
			return sub.serve(ctx, struct{}{})
		}, call.Owns("job", "watch", "$.id")))
		st := visit(t, &call.Server{Registry: reg, Identities: rights, Ownership: owners}, transports["one stream"], everything...).open()
		send(t, st, request("1", "job/watch", fmt.Sprintf(`{"pad":%q,"id":"mine"}`, strings.Repeat("x", 3000))))
		<-rights.looking
		send(t, st, rawFrame(`{"type":"call.aborted","id":"1","payload":{}}`))
		synctest.Wait()
		close(rights.on)
		synctest.Wait()
		for _, resource := range owners.resources {
			if resource != "mine" {
				t.Errorf("asked for %q", owners.resources)
			}
		}
	})
}

func TestADiallerAbortsSubscriptionsWhenTheOnlyStreamHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sub silentSub
		c, far := serving(t, transports["one stream"], sub.server(t).Registry)
		st, err := far.AcceptStream(t.Context())
		must(t, err)
		send(t, st, request("s", "test/silent", "null"))
		synctest.Wait()
		must(t, st.CloseWrite())
		synctest.Wait()
		if sub.begun.Load() != 1 || sub.ended.Load() != 1 {
			t.Errorf("%d begun, %d ended", sub.begun.Load(), sub.ended.Load())
		}
		from := time.Now()
		if err := second(c.Call(t.Context(), "a/b", nil)); err == nil || time.Since(from) > time.Second {
			t.Errorf("a call afterwards: %v after %v", err, time.Since(from))
		}
	})
}
