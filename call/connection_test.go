package call_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/coretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// transports run a test over many streams and over one.
var transports = map[string]func() (dialled, accepted core.Connection){
	"many streams": func() (core.Connection, core.Connection) { return coretest.Pair(call.ALPN) },
	"one stream":   func() (core.Connection, core.Connection) { return coretest.StreamPair(call.ALPN) },
}

func overEach(t *testing.T, test func(t *testing.T, h *harness)) {
	for name, pair := range transports {
		t.Run(name, func(t *testing.T) {
			h := &harness{t: t, pair: pair}
			test(t, h)
		})
	}
}

// A harness connects clients with servers, and sees that everything ends.
type harness struct {
	t    *testing.T
	pair func() (dialled, accepted core.Connection)
}

// connect serves srv to a peer that holds scopes, and returns its client.
func (h *harness) connect(srv *call.Server, scopes []string, opts ...call.ClientOption) *call.Client {
	h.t.Helper()
	near, far := h.pair()
	served := make(chan error, 1)
	who := coretest.Auth(h.t, far, "peer", scopes...)
	go func() { served <- srv.Handle(context.Background(), far, who) }()
	c := call.NewClient(near, opts...)
	h.t.Cleanup(func() {
		c.Close()
		<-c.Done()
		if err := <-served; err != nil {
			h.t.Errorf("serve: %v", err)
		}
	})
	return c
}

type sumInput struct {
	A int `json:"a"`
	B int `json:"b"`
}

type sum struct {
	Sum int `json:"sum"`
}

func add(_ context.Context, in sumInput) (sum, error) { return sum{in.A + in.B}, nil }

func count(_ context.Context, n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

var everything = []string{"call:**"}

func mathServer(t *testing.T) *call.Server {
	t.Helper()
	reg := new(call.Registry)
	must(t,
		call.Query(reg, "math/add", add),
		call.Subscription(reg, "math/count", count),
	)
	return &call.Server{Registry: reg}
}

func TestBothEndsCall(t *testing.T) {
	overEach(t, func(t *testing.T, h *harness) {
		far := mathServer(t)
		back := make(chan error, 1)
		far.Connected = func(ctx context.Context, c *call.Client) {
			got, err := call.Call[sum](ctx, c, "math/add", sumInput{40, 2})
			if err == nil && got.Sum != 42 {
				err = fmt.Errorf("got %v", got)
			}
			back <- err
		}
		near, accepted := h.pair()
		served := make(chan error, 1)
		go func() { served <- far.Handle(t.Context(), accepted, coretest.Auth(t, accepted, "peer", everything...)) }()
		c := call.NewClient(near, call.WithServer(mathServer(t), coretest.Auth(t, near, "far", everything...)))
		for i := range 10 {
			got, err := call.Call[sum](t.Context(), c, "math/add", sumInput{i, i})
			if err != nil || got.Sum != 2*i {
				t.Fatalf("call %d: %v, %v", i, got, err)
			}
		}
		if err := <-back; err != nil {
			t.Errorf("the other direction: %v", err)
		}
		next := 0
		for n, err := range call.Subscribe[int](t.Context(), c, "math/count", 1000) {
			if err != nil || n != next {
				t.Fatalf("item %d: %v, %v", next, n, err)
			}
			next++
		}
		if next != 1000 {
			t.Errorf("%d items", next)
		}
		c.Close()
		<-c.Done()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

func TestManyCallersAtOnce(t *testing.T) {
	overEach(t, func(t *testing.T, h *harness) {
		c := h.connect(mathServer(t), everything)
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				for j := range 50 {
					got, err := call.Call[sum](t.Context(), c, "math/add", sumInput{i, j})
					if err != nil || got.Sum != i+j {
						t.Errorf("%d+%d: %v, %v", i, j, got, err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestAbortCancelsTheHandler(t *testing.T) {
	overEach(t, func(t *testing.T, h *harness) {
		started, ended := make(chan struct{}, 1), make(chan error, 1)
		reg := new(call.Registry)
		must(t, call.Query(reg, "test/never", func(ctx context.Context, _ struct{}) (int, error) {
			started <- struct{}{}
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return 0, ctx.Err()
		}))
		c := h.connect(&call.Server{Registry: reg}, everything)
		for range 5 { // before and after the other end is known to run requests at once
			ctx, cancel := context.WithCancel(t.Context())
			failed := make(chan error, 1)
			go func() { failed <- second(call.Call[int](ctx, c, "test/never", nil)) }()
			<-started
			cancel()
			if err := <-failed; !errors.Is(err, context.Canceled) || call.CodeOf(err) != call.CodeInternal {
				t.Errorf("caller: %v", err)
			}
			<-ended
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestLeavingASubscriptionCancelsIt(t *testing.T) {
	overEach(t, func(t *testing.T, h *harness) {
		ended := make(chan struct{})
		reg := new(call.Registry)
		must(t, call.Subscription(reg, "test/endless", func(ctx context.Context, _ struct{}) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				defer close(ended)
				for yield(strings.Repeat("x", 1000), nil) {
				}
			}
		}))
		c := h.connect(&call.Server{Registry: reg}, everything)
		items := 0
		for _, err := range call.Subscribe[string](t.Context(), c, "test/endless", nil) {
			must(t, err)
			if items++; items == 5000 {
				break
			}
		}
		<-ended
	})
}

func TestALostConnectionCancelsAndFails(t *testing.T) {
	overEach(t, func(t *testing.T, h *harness) {
		started, ended := make(chan struct{}), make(chan struct{})
		reg := new(call.Registry)
		must(t, call.Query(reg, "test/never", func(ctx context.Context, _ struct{}) (int, error) {
			close(started)
			<-ctx.Done()
			close(ended)
			return 0, ctx.Err()
		}))
		c := h.connect(&call.Server{Registry: reg}, everything)
		failed := make(chan error, 1)
		go func() { failed <- second(call.Call[int](t.Context(), c, "test/never", nil)) }()
		<-started
		c.Close()
		if err := <-failed; call.CodeOf(err) != call.CodeInternal || !strings.Contains(err.Error(), "connection closed") {
			t.Errorf("caller: %v", err)
		}
		<-ended
		if _, err := c.Call(t.Context(), "math/add", json.RawMessage("1")); call.CodeOf(err) != call.CodeInternal {
			t.Errorf("afterwards: %v", err)
		}
	})
}
