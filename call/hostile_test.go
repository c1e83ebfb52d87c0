package call_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/coretest"
)

// A foreigner speaks the protocol by hand.
type foreigner struct {
	t    *testing.T
	conn core.Connection
}

// visit connects a foreigner to srv.
func visit(t *testing.T, srv *call.Server, pair func() (core.Connection, core.Connection), scopes ...string) foreigner {
	t.Helper()
	near, far := pair()
	served := make(chan error, 1)
	go func() { served <- srv.Handle(context.Background(), far, coretest.Auth(t, far, "foreigner", scopes...)) }()
	t.Cleanup(func() {
		near.Close(core.CodeShutdown, "")
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return foreigner{t, near}
}

func (f foreigner) open() core.Stream {
	f.t.Helper()
	st, err := f.conn.OpenStream(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return st
}

func rawFrame(format string, args ...any) []byte {
	body := fmt.Appendf(nil, format, args...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func request(id, operation, input string) []byte {
	return rawFrame(`{"type":"call.requested","id":%q,"payload":{"operationId":"/%s","input":%s}}`, id, operation, input)
}

func send(t *testing.T, st core.Stream, b []byte) {
	t.Helper()
	if _, err := st.Write(b); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, r io.Reader) string {
	t.Helper()
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(r, body); err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func pairs(t *testing.T, test func(t *testing.T, pair func() (core.Connection, core.Connection))) {
	for name, pair := range transports {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, pair) })
		})
	}
}

func TestTenThousandAbortsForFinishedCalls(t *testing.T) {
	pairs(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		f := visit(t, mathServer(t), pair, everything...)
		st := f.open()
		for i := range 10000 {
			id := fmt.Sprint("a", i)
			if i%100 == 0 {
				send(t, st, request(id, "math/add", `{"a":1,"b":2}`))
				receive(t, st)
			}
			send(t, st, rawFrame(`{"type":"call.aborted","id":%q,"payload":{}}`, id))
		}
		send(t, st, request("last", "math/add", `{"a":1,"b":2}`))
		if got := receive(t, st); !strings.Contains(got, `"sum":3`) {
			t.Errorf("afterwards: %s", got)
		}
	})
}

// A caller that asks and never reads has its handlers wait, and is cut off when
// it asks for more than is kept for it.
func TestAPeerThatNeverReads(t *testing.T) {
	pairs(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		running := make(chan struct{}, 10000)
		reg := new(call.Registry)
		must(t, call.Query(reg, "test/large", func(context.Context, struct{}) (string, error) {
			running <- struct{}{}
			return strings.Repeat("x", 100<<10), nil
		}))
		f := visit(t, &call.Server{Registry: reg, Limits: call.Limits{InFlight: 50}}, pair, everything...)
		st := f.open()
		sent := 0
		for ; sent < 100000; sent++ {
			if _, err := st.Write(request(fmt.Sprint(sent), "test/large", "null")); err != nil {
				break
			}
		}
		if sent == 100000 {
			t.Error("everything was taken")
		}
		if n := len(running); n > 200 {
			t.Errorf("%d handlers ran for a peer that does not read", n)
		}
	})
}

// A caller that leaves its streams open after each call does not run out of
// them, and what it has in use stays.
func TestAPeerThatNeverEndsItsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := visit(t, mathServer(t), func() (core.Connection, core.Connection) {
			return coretest.Pair(call.ALPN, coretest.StreamLimit(64))
		}, everything...)
		for i := range 500 {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			st, err := f.conn.OpenStream(ctx)
			cancel()
			if err != nil {
				t.Fatalf("stream %d: %v", i, err)
			}
			send(t, st, request(fmt.Sprint(i), "math/add", `{"a":1,"b":2}`))
			receive(t, st)
			go func() { // a peer that notices when a stream is ended, and ends it too
				io.Copy(io.Discard, st)
				st.Close()
			}()
		}
	})
}

// What the cap on calls in flight refuses can be tried again.
func TestCallsInFlightAreBounded(t *testing.T) {
	pairs(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		reg := new(call.Registry)
		release := make(chan struct{})
		must(t, call.Query(reg, "test/wait", func(context.Context, struct{}) (int, error) {
			<-release
			return 1, nil
		}))
		f := visit(t, &call.Server{Registry: reg, Limits: call.Limits{InFlight: 3}}, pair, everything...)
		st := f.open()
		for i := range 4 {
			send(t, st, request(fmt.Sprint(i), "test/wait", "null"))
		}
		if got := receive(t, st); !strings.Contains(got, `"id":"3"`) || !strings.Contains(got, `"retryable":true`) {
			t.Errorf("the fourth: %s", got)
		}
		close(release)
		for range 3 {
			if got := receive(t, st); !strings.Contains(got, "call.responded") {
				t.Errorf("one of three: %s", got)
			}
		}
	})
}

func TestCallsInFlightAreBoundedByIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := new(call.Registry)
		release := make(chan struct{})
		must(t, call.Query(reg, "test/wait", func(context.Context, struct{}) (int, error) {
			<-release
			return 1, nil
		}))
		srv := &call.Server{Registry: reg, Limits: call.Limits{InFlightIdentity: 2}}
		a, b := visit(t, srv, transports["one stream"], everything...), visit(t, srv, transports["one stream"], everything...)
		first, second := a.open(), b.open()
		send(t, first, request("1", "test/wait", "null"))
		send(t, first, request("2", "test/wait", "null"))
		synctest.Wait()
		send(t, second, request("3", "test/wait", "null"))
		if got := receive(t, second); !strings.Contains(got, "for this caller") || !strings.Contains(got, `"retryable":true`) {
			t.Errorf("the third: %s", got)
		}
		close(release)
		receive(t, first)
		receive(t, first)
		send(t, second, request("4", "test/wait", "null"))
		if got := receive(t, second); !strings.Contains(got, "call.responded") {
			t.Errorf("afterwards: %s", got)
		}
	})
}

func endless(ended chan<- struct{}, size int) func(context.Context, struct{}) iter.Seq2[string, error] {
	return func(context.Context, struct{}) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			defer func() { ended <- struct{}{} }()
			for yield(strings.Repeat("x", size), nil) {
			}
		}
	}
}

// A subscriber that does not take its items holds its own subscription up, and
// nothing else on the connection.
func TestASlowSubscriberStallsNobodyElse(t *testing.T) {
	overEach(t, func(t *testing.T, h *harness) {
		ended := make(chan struct{}, 2)
		reg := new(call.Registry)
		must(t, call.Subscription(reg, "test/endless", endless(ended, 10000)), call.Query(reg, "math/add", add),
			call.Subscription(reg, "math/count", count))
		c := h.connect(&call.Server{Registry: reg}, everything)
		for range 3 { // so that the other end is known
			must(t, second(call.Call[sum](t.Context(), c, "math/add", sumInput{1, 2})))
		}
		items := 0
		for _, err := range call.Subscribe[string](t.Context(), c, "test/endless", nil) {
			must(t, err)
			if items++; items > 1 {
				break
			}
			for i := range 100 {
				got, err := call.Call[sum](t.Context(), c, "math/add", sumInput{i, i})
				if err != nil || got.Sum != 2*i {
					t.Fatalf("beside a slow subscriber: %v, %v", got, err)
				}
			}
			n := 0
			for _, err := range call.Subscribe[int](t.Context(), c, "math/count", 20000) {
				must(t, err)
				n++
			}
			if n != 20000 {
				t.Errorf("another subscription yielded %d items", n)
			}
		}
		<-ended
	})
}

// A callee that knows no flow control for subscriptions fills the queue of a
// slow subscriber on the stream that they share: that is an error, and told.
func TestASlowSubscriberOfAForeignCalleeIsTold(t *testing.T) {
	near, far := coretest.StreamPair(call.ALPN)
	c := call.NewClient(near, call.WithLimits(call.Limits{SubscriptionBytes: 64 << 10}))
	defer func() { c.Close(); <-c.Done() }()
	aborted := make(chan string, 1)
	go func() {
		st, err := far.AcceptStream(t.Context())
		if err != nil {
			return
		}
		var asked struct{ ID string }
		json.Unmarshal([]byte(receive(t, st)), &asked)
		go func() {
			for range 100 {
				st.Write(rawFrame(`{"type":"call.responded","id":%q,"payload":{"output":%q}}`, asked.ID, strings.Repeat("x", 10000)))
			}
		}()
		for {
			got := receive(t, st)
			if strings.Contains(got, "call.aborted") {
				aborted <- got
				return
			}
		}
	}()
	items := 0
	var last error
	for _, err := range call.Subscribe[string](t.Context(), c, "test/flood", nil) {
		if err != nil {
			last = err
			break
		}
		if items++; items == 1 {
			<-aborted // takes nothing until then
		}
	}
	if call.CodeOf(last) != call.CodeInternal || !strings.Contains(fmt.Sprint(last), "too slow") {
		t.Errorf("after %d items: %v", items, last)
	}
}

// One hundred calls that call each other end before the abort of the first
// has been taken.
func TestAnAbortOverTheWireReachesOneHundredNestedCalls(t *testing.T) {
	pairs(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		reg := new(call.Registry)
		deepest := make(chan struct{})
		ended := make(chan time.Time, 100)
		scopes, err := auth.ParseScopes(everything)
		must(t, err, call.Query(reg, "test/nest", func(ctx context.Context, n int) (int, error) {
			defer func() { ended <- time.Now() }()
			if n > 0 {
				return call.Call[int](ctx, call.EnvFrom(ctx), "test/nest", n-1)
			}
			close(deepest)
			<-ctx.Done()
			return 0, ctx.Err()
		}, call.Composes(call.Authority{Label: "nest", Scopes: scopes}, "test/nest")))
		f := visit(t, &call.Server{Registry: reg}, pair, everything...)
		st := f.open()
		send(t, st, request("1", "test/nest", "99"))
		<-deepest
		send(t, st, rawFrame(`{"type":"call.aborted","id":"1","payload":{}}`))
		synctest.Wait() // no time passes in it
		if n := len(ended); n != 100 {
			t.Errorf("%d of 100 have ended", n)
		}
	})
}

func TestDrainLetsCallsEndAndTellsSubscribers(t *testing.T) {
	pairs(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		release, started := make(chan struct{}), make(chan struct{}, 2)
		reg := new(call.Registry)
		must(t,
			call.Query(reg, "test/wait", func(context.Context, struct{}) (int, error) {
				started <- struct{}{}
				<-release
				return 1, nil
			}),
			call.Subscription(reg, "test/silent", func(ctx context.Context, _ struct{}) iter.Seq2[int, error] {
				return func(func(int, error) bool) {
					started <- struct{}{}
					<-ctx.Done()
				}
			}))
		srv := &call.Server{Registry: reg}
		f := visit(t, srv, pair, everything...)
		st := f.open()
		send(t, st, request("1", "test/wait", "null"))
		send(t, st, request("2", "test/silent", "null"))
		<-started
		<-started
		drained := make(chan error, 1)
		go func() { drained <- srv.Drain(t.Context()) }()
		if got := receive(t, st); !strings.Contains(got, `"id":"2"`) || !strings.Contains(got, "stopping") || !strings.Contains(got, "call.error") {
			t.Errorf("the subscription: %s", got)
		}
		send(t, st, request("3", "test/wait", "null"))
		if got := receive(t, st); !strings.Contains(got, `"id":"3"`) || !strings.Contains(got, `"retryable":true`) {
			t.Errorf("a new call: %s", got)
		}
		close(release)
		if got := receive(t, st); !strings.Contains(got, `"id":"1"`) || !strings.Contains(got, "call.responded") {
			t.Errorf("the running call: %s", got)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
	})
}
