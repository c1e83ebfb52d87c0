package call_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/coretest"
)

// byHand has do answer each request that comes on conn, until it ends.
func byHand(t *testing.T, conn core.Connection, do func(st core.Stream, id, operation string)) {
	go func() {
		for {
			st, err := conn.AcceptStream(context.WithoutCancel(t.Context()))
			if err != nil {
				return
			}
			go requests(st, do)
		}
	}()
}

func requests(st core.Stream, do func(st core.Stream, id, operation string)) {
	for {
		var head [4]byte
		if _, err := io.ReadFull(st, head[:]); err != nil {
			return
		}
		body := make([]byte, int(head[1])<<16|int(head[2])<<8|int(head[3]))
		if _, err := io.ReadFull(st, body); err != nil {
			return
		}
		var asked struct {
			Type, ID string
			Payload  struct{ OperationID string }
		}
		if json.Unmarshal(body, &asked) == nil && asked.Type == "call.requested" {
			do(st, asked.ID, asked.Payload.OperationID)
		}
	}
}

func respond(st core.Stream, id, output string) {
	st.Write(rawFrame(`{"type":"call.responded","id":%q,"payload":{"output":%s}}`, id, output))
}

const concurrentList = `{"operations":[],"protocol":{"concurrent":true}}`

// holdsOn registers test/wait, which tells that it has begun and waits.
func holdsOn(t *testing.T, reg *call.Registry, release <-chan struct{}) <-chan struct{} {
	begun := make(chan struct{}, 16)
	must(t, call.Query(reg, "test/wait", func(ctx context.Context, _ struct{}) (int, error) {
		begun <- struct{}{}
		select {
		case <-release:
			return 1, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}))
	return begun
}

// dial makes a client whose other end, the returned connection, is a test.
func dial(t *testing.T, pair func() (core.Connection, core.Connection), opts ...call.ClientOption) (*call.Client, core.Connection) {
	near, far := pair()
	c := call.NewClient(near, opts...)
	t.Cleanup(func() {
		c.Close()
		far.Close(core.CodeNone, "")
		<-c.Done()
	})
	return c, far
}

func serving(t *testing.T, pair func() (core.Connection, core.Connection), reg *call.Registry, opts ...call.ClientOption) (*call.Client, core.Connection) {
	who := func() *core.AuthContext {
		near, far := pair()
		defer near.Close(core.CodeNone, "")
		defer far.Close(core.CodeNone, "")
		return coretest.Auth(t, near, "far", everything...)
	}
	return dial(t, pair, append(opts, call.WithServer(&call.Server{Registry: reg}, who()))...)
}

func TestDeadlinesHoldWhileAStreamIsAwaited(t *testing.T) {
	const late = 200 * time.Millisecond
	oneStream := func() (core.Connection, core.Connection) { return coretest.Pair(call.ALPN, coretest.StreamLimit(1)) }
	large := json.RawMessage(`"` + strings.Repeat("x", 600<<10) + `"`)
	for name, test := range map[string]struct {
		pair   func() (core.Connection, core.Connection)
		taken  bool // the only stream, by somebody else
		beside int  // further calls with the same deadline
		input  json.RawMessage
	}{
		"no stream is left":       {pair: oneStream, taken: true},
		"several for one stream":  {pair: oneStream, taken: true, beside: 3},
		"the peer does not read":  {pair: transports["one stream"], beside: 3, input: large},
		"nor on streams of calls": {pair: transports["many streams"], beside: 3, input: large},
	} {
		for _, own := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, own deadline %v", name, own), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					near, far := test.pair()
					if test.taken {
						must(t, second(near.OpenStream(t.Context())))
					}
					var opts []call.ClientOption
					if !own {
						opts = append(opts, call.WithTimeout(late))
					}
					c := call.NewClient(near, opts...)
					ended := make(chan error, test.beside+1)
					for range test.beside + 1 {
						go func() {
							ctx := context.WithoutCancel(t.Context())
							if own {
								var cancel context.CancelFunc
								ctx, cancel = context.WithTimeout(ctx, late)
								defer cancel()
							}
							ended <- second(c.Call(ctx, "a/b", test.input))
						}()
					}
					<-time.After(2 * late)
					if n := len(ended); n != test.beside+1 {
						t.Errorf("%d of %d have ended", n, test.beside+1)
					}
					for range len(ended) {
						if err := <-ended; call.CodeOf(err) != call.CodeTimeout {
							t.Errorf("ended with %v", err)
						}
					}
					c.Close()
					far.Close(core.CodeNone, "")
					<-c.Done()
				})
			})
		}
	}
}

// A call that is ready to wait for the other end's stream does not hold one
// back that is not.
func TestADeadlineHoldsBehindACallWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := coretest.StreamPair(call.ALPN) // the dialler sends nothing
		srv := mathServer(t)
		ended := make(chan error, 1)
		srv.Connected = func(ctx context.Context, c *call.Client) {
			go c.Call(ctx, "a/b", nil)
			<-time.After(time.Millisecond)
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			ended <- second(c.Call(ctx, "a/b", nil))
		}
		served := make(chan error, 1)
		go func() { served <- srv.Handle(context.Background(), far, coretest.Auth(t, far, "x", everything...)) }()
		select {
		case err := <-ended:
			if call.CodeOf(err) != call.CodeTimeout {
				t.Error(err)
			}
		case <-time.After(2 * time.Second):
			t.Error("it waits on")
		}
		near.Close(core.CodeNone, "")
		<-served
	})
}

func deep(levels int) json.RawMessage {
	return json.RawMessage(strings.Repeat("[", levels) + strings.Repeat("]", levels))
}

func TestAnAnswerTooDeepIsTheCallsOwnFailure(t *testing.T) {
	overEach(t, func(t *testing.T, h *harness) {
		reg := new(call.Registry)
		release := make(chan struct{})
		begun := holdsOn(t, reg, release)
		must(t, call.Query(reg, "math/add", add),
			call.Query(reg, "test/deep", func(_ context.Context, n int) (json.RawMessage, error) { return deep(n), nil }),
			call.Query(reg, "test/large", func(_ context.Context, n int) (json.RawMessage, error) {
				return json.RawMessage(`"` + strings.Repeat("x", n) + `"`), nil
			}))
		c := h.connect(&call.Server{Registry: reg}, everything)
		for range 3 { // so that calls share a stream
			must(t, second(call.Call[sum](t.Context(), c, "math/add", sumInput{1, 2})))
		}
		beside := make(chan error, 1)
		go func() { beside <- second(c.Call(t.Context(), "test/wait", nil)) }()
		<-begun
		must(t, second(c.Call(t.Context(), "test/deep", json.RawMessage("126"))))
		for op, n := range map[string]string{"test/deep": "127", "test/large": "67108864"} {
			_, err := c.Call(t.Context(), op, json.RawMessage(n))
			if call.CodeOf(err) != call.CodeInternal || strings.Contains(err.Error(), "malformed") || strings.Contains(err.Error(), "stream") {
				t.Errorf("%s: %v", op, err)
			}
		}
		must(t, second(call.Call[sum](t.Context(), c, "math/add", sumInput{1, 2})))
		close(release)
		if err := <-beside; err != nil {
			t.Errorf("the call beside: %v", err)
		}
	})
}

func TestAnInputTooDeepIsTheCallsOwnFailure(t *testing.T) {
	overEach(t, func(t *testing.T, h *harness) {
		reg := new(call.Registry)
		release := make(chan struct{})
		begun := holdsOn(t, reg, release)
		must(t, call.Query(reg, "test/any", func(context.Context, json.RawMessage) (int, error) { return 1, nil }))
		c := h.connect(&call.Server{Registry: reg}, everything)
		front := &call.Server{Registry: new(call.Registry), Peers: new(call.Peers)}
		ops, err := c.Import(t.Context(), call.Import{Prefix: "lab", Expose: []call.Exposure{{Operations: "lab/**", Scope: "lab:use"}}})
		must(t, err, second(front.Peers.Add("lab", c, ops)))
		beside := make(chan error, 1)
		go func() { beside <- second(c.Call(t.Context(), "test/wait", nil)) }()
		<-begun
		callers := map[string]call.Caller{"test/any": c, "lab/test/any": front.Local(somebody(t, "alice", "lab:use"))}
		for op, caller := range callers {
			if err := second(caller.Call(t.Context(), op, deep(126))); err != nil {
				t.Errorf("%s with 126 levels: %v", op, err)
			}
			for what, input := range map[string]json.RawMessage{
				"deep": deep(127), "deeper": deep(5000), "large": json.RawMessage(`"` + strings.Repeat("x", 64<<20) + `"`),
			} {
				if _, err := caller.Call(t.Context(), op, input); call.CodeOf(err) != call.CodeInvalidInput {
					t.Errorf("%s, %s: %v", op, what, err)
				}
			}
		}
		close(release)
		if err := <-beside; err != nil {
			t.Errorf("the call beside: %v", err)
		}
	})
}

// The other end has ended the stream of a call by its answer, and so has this
// end: what comes on it could not be answered.
func TestNothingBeginsOnAStreamThatHasEndedFromHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := new(call.Registry)
		ran := make(chan struct{}, 1)
		must(t, call.Mutation(reg, "test/pay", func(context.Context, struct{}) (int, error) { ran <- struct{}{}; return 1, nil }))
		c, far := serving(t, transports["many streams"], reg)
		own := make(chan core.Stream, 1)
		byHand(t, far, func(st core.Stream, id, operation string) {
			respond(st, id, "1")
			if operation == "/a/b" {
				own <- st
			}
		})
		must(t, second(c.Call(t.Context(), "a/b", nil)))
		st := <-own
		synctest.Wait()
		st.Write(request("m", "test/pay", "null"))
		<-time.After(time.Second)
		if len(ran) > 0 {
			t.Error("a mutation ran whose answer has no way")
		}
	})
}

func TestAStreamWhoseAnswersHaveEndedTakesNoFurtherCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := new(call.Registry)
		release := make(chan struct{})
		begun := holdsOn(t, reg, release)
		c, far := serving(t, transports["many streams"], reg)
		lane := make(chan core.Stream, 1)
		byHand(t, far, func(st core.Stream, id, operation string) {
			respond(st, id, concurrentList)
			if operation == "/on/lane" {
				lane <- st
			}
		})
		synctest.Wait()
		must(t, second(c.Call(t.Context(), "on/lane", nil)))
		st := <-lane
		send(t, st, request("w", "test/wait", "null")) // keeps the sending direction
		<-begun
		must(t, st.CloseWrite())
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Call(ctx, "a/b", nil); err != nil {
			t.Error(err)
		}
		close(release)
	})
}

func TestAnAnswerOnAnotherStreamLeavesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := dial(t, transports["many streams"])
		back, err := far.OpenStream(t.Context())
		must(t, err)
		byHand(t, far, func(_ core.Stream, id, _ string) { respond(back, id, "1") })
		var before int
		for i := range 100 {
			must(t, second(c.Call(t.Context(), "a/b", nil)))
			if i == 9 {
				<-time.After(time.Minute)
				before = len(stacks())
			}
		}
		<-time.After(time.Minute)
		if after := len(stacks()); after > before {
			t.Errorf("%d goroutines after 10 calls, %d after 100", before, after)
		}
	})
}

func TestAnEmptyTokenIsNobodys(t *testing.T) {
	overEach(t, func(t *testing.T, h *harness) {
		for name, opts := range map[string][]call.ClientOption{"alone": nil, "over another": {call.WithToken("x")}} {
			c := h.connect(mathServer(t), everything, opts...)
			ctx := call.ContextWithToken(t.Context(), "")
			if got, err := call.Call[sum](ctx, c, "math/add", sumInput{1, 2}); err == nil {
				t.Errorf("%s: it has the connection's rights: %v", name, got)
			}
			for _, err := range call.Subscribe[int](ctx, c, "math/count", 1) {
				if err == nil {
					t.Errorf("%s: a subscription has the connection's rights", name)
				}
			}
		}
	})
}

func TestTheTimeoutOfAClientIsOfItsOwnCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := new(call.Registry)
		release := make(chan struct{})
		begun := holdsOn(t, reg, release)
		_, far := serving(t, transports["many streams"], reg, call.WithTimeout(time.Second))
		st, err := far.OpenStream(t.Context())
		must(t, err)
		send(t, st, request("s", "test/wait", "null"))
		<-begun
		<-time.After(5 * time.Second)
		close(release)
		if got := receive(t, st); !strings.Contains(got, "call.responded") {
			t.Error(got)
		}
	})
}

func TestInputsOfOneCallAreNotSeenByAnother(t *testing.T) {
	h := &harness{t: t, pair: transports["one stream"]}
	var kept []json.RawMessage
	reg := new(call.Registry)
	must(t, call.Query(reg, "math/add", add), call.Mutation(reg, "kv/put", func(_ context.Context, v json.RawMessage) (int, error) {
		kept = append(kept, v)
		return 0, nil
	}))
	srv := &call.Server{Registry: reg}
	a, b := h.connect(srv, everything), h.connect(srv, everything, call.WithToken(strings.Repeat("secret", 400)))
	for i := range 100 {
		must(t, second(a.Call(t.Context(), "kv/put", json.RawMessage(fmt.Sprintf(`"%d%s"`, i, strings.Repeat("a", 3000))))))
		for range 2 {
			b.Call(t.Context(), "math/add", json.RawMessage(`{"a":1,"b":2}`))
		}
	}
	changed := 0
	for i, v := range kept {
		if string(v) != fmt.Sprintf(`"%d%s"`, i, strings.Repeat("a", 3000)) {
			changed++
		}
	}
	if changed > 0 {
		t.Errorf("%d of %d kept inputs have changed", changed, len(kept))
	}
}
