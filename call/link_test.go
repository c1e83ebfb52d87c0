package call_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/coretest"
)

// A place is where a link dials: a node that comes and goes.
type place struct {
	t      *testing.T
	pair   func() (dialled, accepted core.Connection)
	scopes []string
	delay  time.Duration

	mu       sync.Mutex
	srv      *call.Server // nil: nobody is there
	refusal  error        // instead of a connection
	accepted core.Connection
	attempts []time.Duration // since the start
	start    time.Time
	serving  sync.WaitGroup
}

func newPlace(t *testing.T, pair func() (core.Connection, core.Connection), srv *call.Server) *place {
	return &place{t: t, pair: pair, srv: srv, scopes: everything, start: time.Now()}
}

var errNobody = errors.New("nobody answers")

func (p *place) dial(ctx context.Context) (core.Connection, *core.AuthContext, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attempts = append(p.attempts, time.Since(p.start))
	switch {
	case p.refusal != nil:
		return nil, nil, p.refusal
	case p.srv == nil:
		return nil, nil, errNobody
	}
	near, far := p.pair()
	if p.delay > 0 {
		near, far = lagging(near, p.delay), lagging(far, p.delay)
	}
	p.accepted = far
	srv, who := p.srv, coretest.Auth(p.t, far, "peer", p.scopes...)
	p.serving.Go(func() { srv.Handle(context.Background(), far, who) })
	return near, coretest.Auth(p.t, near, "far", everything...), nil
}

func (p *place) set(srv *call.Server, refusal error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.srv, p.refusal = srv, refusal
}

// cut ends the connection, as the far end does.
func (p *place) cut(code uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted.Close(code, "test")
}

// waits returns the times between the attempts.
func (p *place) waits() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []time.Duration
	for i := 1; i < len(p.attempts); i++ {
		all = append(all, p.attempts[i]-p.attempts[i-1])
	}
	return all
}

// run runs the link to the end of the test.
func run(t *testing.T, l *call.Link, p *place) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		p.serving.Wait()
	})
}

// inBubble runs a test over both transports, in bubbles.
func inBubble(t *testing.T, test func(t *testing.T, pair func() (core.Connection, core.Connection))) {
	for name, pair := range transports {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, pair) })
		})
	}
}

// elapse lets the bubble's time pass.
func elapse(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	<-t.C
	synctest.Wait()
}

func ready(t *testing.T, l *call.Link) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	must(t, l.Ready(ctx))
}

func TestLinkWaitsLongerAfterEachFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, transports["many streams"], nil)
		l := &call.Link{Name: "lab", Dial: p.dial}
		stop := run(t, l, p)
		defer stop()
		elapse(10 * time.Minute)
		waits := p.waits()
		want := time.Second
		for i, got := range waits {
			if got > want || got < want*4/5 {
				t.Errorf("wait %d is %v, not about %v", i, got, want)
			}
			want = min(2*want, time.Minute)
		}
		if len(waits) < 10 || len(waits) > 20 {
			t.Errorf("%d attempts in ten minutes", len(waits))
		}
		_, err := l.Call(t.Context(), "a/b", nil)
		var e *call.Error
		if !errors.As(err, &e) || e.Code != call.CodeInternal || !e.Retryable || !errors.Is(err, errNobody) || e.Message != "not connected to lab" {
			t.Errorf("%v", err)
		}
		for _, err := range l.Subscribe(t.Context(), "a/b", nil) {
			if call.CodeOf(err) != call.CodeInternal {
				t.Error(err)
			}
		}
	})
}

func TestLinkDoesNotHammerWhoRefusesIt(t *testing.T) {
	pin := errors.New("the key is another one")
	for name, refusal := range map[string]error{
		"by its key":   pin,
		"unknown":      core.ErrAuthRequired,
		"not allowed":  core.ErrForbidden,
		"by its close": &core.CloseError{Code: core.CodeRevoked, Remote: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			log, text := logged()
			p := newPlace(t, transports["many streams"], nil)
			p.refusal = refusal
			l := &call.Link{Name: "lab", Dial: p.dial, Logger: log, Refused: func(err error) bool { return errors.Is(err, pin) }}
			stop := run(t, l, p)
			defer stop()
			elapse(10 * time.Minute)
			for i, got := range p.waits() {
				if got > time.Minute || got < 48*time.Second {
					t.Errorf("%s: wait %d is %v", name, i, got)
				}
			}
			if got := text(); strings.Count(got, "link refused") != 1 {
				t.Errorf("%s: the log is\n%s", name, got)
			}
		})
	}
}

func TestLinkThatIsClosedAsForbiddenWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, transports["many streams"], mathServer(t))
		l := &call.Link{Name: "lab", Dial: p.dial}
		stop := run(t, l, p)
		defer stop()
		ready(t, l)
		p.cut(core.CodeForbidden)
		elapse(5 * time.Minute)
		if waits := p.waits(); len(waits) != 1 || waits[0] < 48*time.Second {
			t.Errorf("%v", waits)
		}
	})
}

func TestLinkStartsAnewAfterAStableTime(t *testing.T) {
	inBubble(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		p := newPlace(t, pair, mathServer(t))
		l := &call.Link{Name: "lab", Dial: p.dial}
		stop := run(t, l, p)
		defer stop()
		for range 4 { // up for a moment only
			ready(t, l)
			p.cut(core.CodeNone)
			synctest.Wait()
		}
		ready(t, l)
		elapse(31 * time.Second)
		p.cut(core.CodeNone)
		synctest.Wait()
		ready(t, l)
		waits := p.waits()
		if len(waits) != 5 || waits[3] < 6*time.Second || waits[4]-31*time.Second > time.Second {
			t.Errorf("%v", waits)
		}
	})
}

func TestLinkRenewsItsImportsAfterAReconnect(t *testing.T) {
	inBubble(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		near := register(t)
		near.Peers = new(call.Peers)
		p := newPlace(t, pair, saying(t, "old"))
		l := &call.Link{Name: "lab", Dial: p.dial, Server: near, Import: &call.Import{
			Prefix: "lab", Expose: []call.Exposure{{"lab/**", "lab:use"}},
		}}
		stop := run(t, l, p)
		defer stop()
		lab, alice := near.Peers.Peer("lab"), near.Local(somebody(t, "alice", "lab:use"))
		check := func(c call.Caller, op, want string) {
			t.Helper()
			out, err := c.Call(t.Context(), op, nil)
			if string(out) != want && call.CodeOf(err) != want {
				t.Errorf("%s: %s %v, want %s", op, out, err, want)
			}
		}
		ready(t, l)
		check(lab, "lab/a/b", `"old"`)
		check(alice, "lab/only/old", `"ok"`)
		check(l, "a/b", `"old"`)
		p.set(nil, nil)
		p.cut(core.CodeNone)
		synctest.Wait()
		check(lab, "lab/a/b", call.CodeInternal) // the link tries
		check(lab, "elsewhere/a/b", call.CodeNotFound)
		check(near.Peers.Any(), "lab/a/b", call.CodeNotFound)
		check(alice, "lab/a/b", call.CodeNotFound)
		p.set(saying(t, "new"), nil)
		ready(t, l)
		check(lab, "lab/a/b", `"new"`)
		check(alice, "lab/only/new", `"ok"`)
		check(alice, "lab/only/old", call.CodeNotFound)
		stop()
		check(lab, "lab/a/b", call.CodeNotFound)
		if err := l.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "stopped") {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestLinkFollowsThePeersList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu      sync.Mutex
			offered = []string{"far/a", "far/b"}
			lists   int
			schemas = map[string]int{}
			broken  bool
		)
		near := register(t)
		near.Peers = new(call.Peers)
		say := func(op string, in map[string]any) string {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case strings.HasPrefix(op, "far/"):
				return `"reached"`
			case op == "services/schema":
				name := in["name"].(string)
				schemas[name]++
				return described(name, "")
			case in["limit"].(float64) < 2: // NewClient asks whether it may share streams
				return listing()
			case broken:
				return `{"operations":[{"name":"far/x"},{"name":"far/x"}]}`
			}
			lists++
			return listing(offered...)
		}
		conns := make(chan struct{}, 1)
		conns <- struct{}{}
		var answering sync.WaitGroup
		l := &call.Link{Name: "lab", Server: near, Import: &call.Import{Prefix: "lab"}, Dial: func(context.Context) (core.Connection, *core.AuthContext, error) {
			<-conns
			client, server := coretest.Pair(call.ALPN)
			answering.Go(func() {
				for {
					st, err := server.AcceptStream(context.Background())
					if err != nil {
						return
					}
					answering.Go(func() { lie(st, say) })
				}
			})
			return client, nil, nil
		}}
		stop := run(t, l, &place{})
		defer answering.Wait()
		defer stop()
		ready(t, l)
		has := func(want string) {
			t.Helper()
			var all []string
			for _, op := range []string{"lab/far/a", "lab/far/b", "lab/far/c", "lab/far/x"} {
				if _, err := near.Peers.Any().Call(t.Context(), op, nil); err == nil {
					all = append(all, op)
				}
			}
			if got := strings.Join(all, " "); got != want {
				t.Errorf("imports: %s, want %s", got, want)
			}
		}
		has("lab/far/a lab/far/b")
		elapse(5 * time.Minute)
		mu.Lock()
		if lists < 5 || schemas["far/a"] != 1 {
			t.Errorf("%d lists, %v", lists, schemas)
		}
		offered = []string{"far/b", "far/c"}
		mu.Unlock()
		elapse(time.Minute)
		has("lab/far/b lab/far/c")
		mu.Lock()
		if schemas["far/b"] != 1 || schemas["far/c"] != 1 {
			t.Errorf("fetched %v", schemas)
		}
		broken = true
		mu.Unlock()
		elapse(time.Minute)
		has("lab/far/b lab/far/c") // what it said last
	})
}

func TestLinksWithOnePrefixAreRefusedWithBothNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near := register(t)
		near.Peers = new(call.Peers)
		p := newPlace(t, transports["many streams"], nil) // nobody: it is the rules that collide
		link := func(name, prefix string) *call.Link {
			return &call.Link{Name: name, Dial: p.dial, Server: near, Import: &call.Import{Prefix: prefix}}
		}
		first := link("first", "lab/one")
		stop := run(t, first, p)
		defer stop()
		synctest.Wait()
		for _, prefix := range []string{"lab/one", "lab", "lab/one/two"} {
			err := link("second", prefix).Run(t.Context())
			var collision *call.CollisionError
			if !errors.As(err, &collision) || collision.First != "first" || collision.Second != "second" || collision.Name != prefix {
				t.Errorf("%s: %v", prefix, err)
			}
		}
		if err := link("first", "other").Run(t.Context()); err == nil || !strings.Contains(err.Error(), "another link has this name") {
			t.Error(err)
		}
		if err := first.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "running already") {
			t.Error(err)
		}
		other := link("second", "lab/onetwo")
		stopOther := run(t, other, p)
		synctest.Wait()
		stopOther()
		stopOther = run(t, other, p) // what it had reserved is free again
		synctest.Wait()
		stopOther()
		h := &harness{t: t, pair: transports["many streams"]}
		c := h.connect(saying(t, "x"), nil, call.WithServer(near, nil))
		ops, err := c.Import(t.Context(), call.Import{Prefix: "lab/one/two"})
		must(t, err)
		var collision *call.CollisionError
		if _, err = near.Peers.Add("guest", c, ops); !errors.As(err, &collision) || collision.First != "first" || collision.Second != "guest" {
			t.Errorf("below a link's prefix: %v", err)
		}
		if _, err = near.Peers.Add("first", c, nil); err == nil || !strings.Contains(err.Error(), "belongs to a link") {
			t.Errorf("under a link's name: %v", err)
		}
	})
}

func TestLinkRefusesFieldsThatMakeNone(t *testing.T) {
	dial := func(context.Context) (core.Connection, *core.AuthContext, error) { return nil, nil, errNobody }
	near := register(t)
	near.Peers = new(call.Peers)
	for want, l := range map[string]*call.Link{
		"the name of a peer":         {Dial: dial},
		"there is no Dial":           {Name: "lab"},
		"no Server with Peers":       {Name: "lab", Dial: dial, Import: &call.Import{Prefix: "lab"}},
		"the prefix is missing":      {Name: "lab", Dial: dial, Server: near, Import: &call.Import{}},
		"expose \"lab/**\": the sco": {Name: "lab", Dial: dial, Server: near, Import: &call.Import{Prefix: "lab", Expose: []call.Exposure{{"lab/**", ""}}}},
	} {
		if err := l.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestLinkReadyEndsWithItsContextAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, transports["many streams"], nil)
		l := &call.Link{Name: "lab", Dial: p.dial}
		if err := l.Err(); err == nil {
			t.Error("connected before Run")
		}
		stop := run(t, l, p)
		defer stop()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := l.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errNobody) {
			t.Error(err)
		}
		p.set(mathServer(t), nil)
		ready(t, l)
		if err := l.Err(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheFarEndOfALinkCallsBack(t *testing.T) {
	inBubble(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		far := mathServer(t)
		got := make(chan sum, 1)
		far.Connected = func(ctx context.Context, c *call.Client) {
			out, err := call.Call[sum](ctx, c, "math/add", sumInput{1, 2})
			if err != nil {
				t.Error(err)
			}
			got <- out
		}
		p := newPlace(t, pair, far)
		l := &call.Link{Name: "lab", Dial: p.dial, Server: mathServer(t)}
		stop := run(t, l, p)
		defer stop()
		ready(t, l)
		if out := <-got; out.Sum != 3 {
			t.Error(out)
		}
	})
}

func TestCallsInFlightFailWithTheConnectionAndAreNotRepeated(t *testing.T) {
	inBubble(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		var began, ended int
		op := public(query("far/slow"))
		op.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
			began++
			<-ctx.Done()
			ended++
			return nil, ctx.Err()
		}
		p := newPlace(t, pair, register(t, op))
		l := &call.Link{Name: "lab", Dial: p.dial}
		stop := run(t, l, p)
		defer stop()
		ready(t, l)
		failed := make(chan error, 1)
		go func() { failed <- second(l.Call(context.Background(), "far/slow", nil)) }()
		synctest.Wait()
		p.cut(core.CodeNone)
		if err := <-failed; call.CodeOf(err) != call.CodeInternal {
			t.Error(err)
		}
		ready(t, l)
		elapse(time.Minute)
		if began != 1 || ended != 1 {
			t.Errorf("began %d times, ended %d times", began, ended)
		}
	})
}
