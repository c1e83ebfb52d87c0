package dial

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/core"
)

// step is what one attempt does: after some time it ends in one of these ways.
type step struct {
	after time.Duration // 0: never ends by itself
	err   error         // nil: it wins
}

type fakeConn struct {
	core.Connection
	closed *int
}

func (c fakeConn) Close(uint64, string) error { *c.closed++; return nil }

func lane(t Transport, n int) (out []candidate) {
	for i := range n {
		out = append(out, candidate{transport: t, host: fmt.Sprint("a", i), port: 1})
	}
	return out
}

func TestRace(t *testing.T) {
	const never = 0
	lost := errors.New("connection refused")
	wrong := &WrongKeyError{}
	for _, test := range []struct {
		name    string
		lanes   [2]int // addresses each; lane 0 is QUIC
		steps   map[string]step
		want    []string // attempts with their time
		winner  Transport
		err     error // hard
		none    bool  // all failed
		blocked [2]evidence
	}{
		{
			name: "QUIC answers", lanes: [2]int{1, 1},
			steps: map[string]step{"quic a0:1": {after: 100 * time.Millisecond}},
			want:  []string{"0s quic a0:1"}, winner: QUIC,
		},
		{
			name: "UDP is silent", lanes: [2]int{1, 1},
			steps: map[string]step{"quic a0:1": {after: never}, "tcp a0:1": {after: 60 * time.Millisecond}},
			want:  []string{"0s quic a0:1", "250ms tcp a0:1"}, winner: TCP, blocked: [2]evidence{QUIC: likely},
		},
		{
			name: "UDP is refused", lanes: [2]int{1, 1},
			steps: map[string]step{"quic a0:1": {10 * time.Millisecond, lost}, "tcp a0:1": {after: 60 * time.Millisecond}},
			want:  []string{"0s quic a0:1", "10ms tcp a0:1"}, winner: TCP, blocked: [2]evidence{QUIC: certain},
		},
		{
			name: "a slow path is not a blocked one", lanes: [2]int{1, 1},
			steps: map[string]step{"quic a0:1": {after: 300 * time.Millisecond}, "tcp a0:1": {after: 600 * time.Millisecond}},
			want:  []string{"0s quic a0:1", "250ms tcp a0:1"}, winner: QUIC,
		},
		{
			name: "second address", lanes: [2]int{2, 2},
			steps: map[string]step{"quic a0:1": {after: never}, "quic a1:1": {after: 50 * time.Millisecond}, "tcp a0:1": {after: never}},
			want:  []string{"0s quic a0:1", "250ms quic a1:1", "250ms tcp a0:1"}, winner: QUIC,
		},
		{
			name: "first address refused", lanes: [2]int{2, 2},
			steps: map[string]step{"quic a0:1": {time.Millisecond, lost}, "quic a1:1": {after: 50 * time.Millisecond}},
			want:  []string{"0s quic a0:1", "1ms quic a1:1"}, winner: QUIC,
		},
		{
			name: "wrong key ends it", lanes: [2]int{2, 2},
			steps: map[string]step{"quic a0:1": {100 * time.Millisecond, wrong}},
			want:  []string{"0s quic a0:1"}, err: wrong,
		},
		{
			name: "wrong key behind a silent one", lanes: [2]int{1, 1},
			steps: map[string]step{"quic a0:1": {after: never}, "tcp a0:1": {10 * time.Millisecond, wrong}},
			want:  []string{"0s quic a0:1", "250ms tcp a0:1"}, err: wrong,
		},
		{
			name: "everything refused", lanes: [2]int{2, 1},
			steps: map[string]step{"quic a0:1": {time.Millisecond, lost}, "quic a1:1": {time.Millisecond, lost}, "tcp a0:1": {time.Millisecond, lost}},
			want:  []string{"0s quic a0:1", "1ms quic a1:1", "2ms tcp a0:1"}, none: true,
		},
		{
			name: "one transport only", lanes: [2]int{2, 0},
			steps: map[string]step{"quic a0:1": {time.Millisecond, lost}, "quic a1:1": {time.Second, lost}},
			want:  []string{"0s quic a0:1", "1ms quic a1:1"}, none: true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var got []string
				closed := 0
				var ended atomic.Int32
				r := race{
					lanes: [2][]candidate{lane(QUIC, test.lanes[0]), lane(TCP, test.lanes[1])},
					delay: attemptDelay,
					began: func(c candidate) { got = append(got, fmt.Sprintf("%v %v %v", time.Since(began), c.transport, c)) },
				}
				r.try = func(ctx context.Context, c candidate) outcome {
					defer ended.Add(1)
					s, ok := test.steps[fmt.Sprintf("%v %v", c.transport, c)]
					if !ok || s.after == never {
						<-ctx.Done()
						return outcome{err: ctx.Err()}
					}
					time.Sleep(s.after) // deaf to cancellation: may win too late
					if s.err != nil {
						return outcome{err: s.err}
					}
					return outcome{conn: &established{conn: fakeConn{closed: &closed}, info: Info{Transport: c.transport}}}
				}
				e, err := r.run(t.Context())
				slices.Sort(got[1:]) // two at the same instant have no order
				if !slices.Equal(got, test.want) {
					t.Errorf("attempts: got %q, want %q", got, test.want)
				}
				if !errors.Is(err, test.err) || (e == nil) != (test.none || test.err != nil) {
					t.Fatalf("got %v, %v", e, err)
				}
				if n := int(ended.Load()); n != len(got) {
					t.Errorf("%d of %d attempts have ended", n, len(got))
				}
				if e == nil {
					return
				}
				if e.info.Transport != test.winner {
					t.Errorf("winner: got %v", e.info.Transport)
				}
				if b := [2]evidence{r.silenceOf(QUIC), r.silenceOf(TCP)}; b != test.blocked {
					t.Errorf("silent: got %v, want %v", b, test.blocked)
				}
			})
		})
	}
}

func TestRaceClosesLateWinner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := 0
		r := race{lanes: [2][]candidate{lane(QUIC, 1), lane(TCP, 1)}, delay: attemptDelay}
		r.try = func(_ context.Context, c candidate) outcome {
			time.Sleep(map[Transport]time.Duration{QUIC: time.Second, TCP: 100 * time.Millisecond}[c.transport])
			return outcome{conn: &established{conn: fakeConn{closed: &closed}, info: Info{Transport: c.transport}}}
		}
		e, err := r.run(t.Context())
		if err != nil || e.info.Transport != TCP || closed != 1 {
			t.Errorf("got %v, %v, %d closed", e, err, closed)
		}
		if r.silenceOf(QUIC) != none {
			t.Error("an answer that came late counts as silence")
		}
	})
}

func TestRaceEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		r := race{lanes: [2][]candidate{lane(QUIC, 3), lane(TCP, 3)}, delay: attemptDelay}
		r.try = func(ctx context.Context, _ candidate) outcome {
			<-ctx.Done()
			return outcome{err: ctx.Err()}
		}
		began := time.Now()
		if e, err := r.run(ctx); e != nil || err != nil || time.Since(began) != 100*time.Millisecond || len(r.failures) != 1 {
			t.Errorf("got %v, %v after %v with %d attempts", e, err, time.Since(began), len(r.failures))
		}
	})
}

func TestPathsForgetAndAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p paths
		node := Target{Host: "node.example", Port: 1}
		p.won(node, TCP, certain, time.Now())
		if got := p.blocked(node, time.Now()); got != [2]bool{QUIC: true} {
			t.Errorf("got %v", got)
		}
		time.Sleep(pathMemory)
		if got := p.blocked(node, time.Now()); got != [2]bool{} {
			t.Errorf("after an hour: got %v", got)
		}
		for i := range 2 * maxPaths {
			p.won(Target{Host: "x", Port: uint16(i + 1)}, TCP, certain, time.Now())
			time.Sleep(time.Millisecond)
		}
		if len(p.m) != maxPaths {
			t.Errorf("holds %d", len(p.m))
		}
		last := Target{Host: "x", Port: 2 * maxPaths}
		if got := p.blocked(last, time.Now()); !got[QUIC] {
			t.Error("the newest was evicted")
		}
		p.won(last, QUIC, none, time.Now())
		if got := p.blocked(last, time.Now()); got[QUIC] {
			t.Error("an answer did not clear it")
		}
	})
}

func TestSilenceCountsInARow(t *testing.T) {
	var p paths
	node, now := Target{Host: "node.example", Port: 1}, time.Unix(0, 0)
	for i, step := range []struct {
		winner  Transport
		other   evidence
		blocked bool // UDP
	}{
		{TCP, likely, false},
		{TCP, likely, false},
		{QUIC, none, false}, // starts anew
		{TCP, likely, false},
		{TCP, none, false},
		{TCP, likely, false},
		{TCP, likely, true},
	} {
		p.won(node, step.winner, step.other, now)
		if got := p.blocked(node, now); got != [2]bool{QUIC: step.blocked} {
			t.Errorf("step %d: got %v", i, got)
		}
	}
}

func TestOrder(t *testing.T) {
	for _, test := range []struct {
		name    string
		r       Request
		blocked [2]bool
		want    []Transport
	}{
		{"interactive", Request{}, [2]bool{}, []Transport{QUIC, TCP}},
		{"bulk", Request{Purpose: Bulk}, [2]bool{}, []Transport{TCP, QUIC}},
		{"interactive without UDP", Request{}, [2]bool{QUIC: true}, []Transport{TCP, QUIC}},
		{"bulk without TCP", Request{Purpose: Bulk}, [2]bool{TCP: true}, []Transport{QUIC, TCP}},
		{"both seem blocked", Request{}, [2]bool{true, true}, []Transport{QUIC, TCP}},
		{"only quic", Request{Via: OnlyQUIC, Purpose: Bulk}, [2]bool{QUIC: true}, []Transport{QUIC}},
		{"only tcp", Request{Via: OnlyTCP}, [2]bool{TCP: true}, []Transport{TCP}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := order(test.r, test.blocked); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestInterleave(t *testing.T) {
	parse := func(texts ...string) (out []netip.Addr) {
		for _, s := range texts {
			out = append(out, netip.MustParseAddr(s))
		}
		return out
	}
	got := interleave(parse("2001:db8::1", "2001:db8::2", "2001:db8::3", "::ffff:192.0.2.1", "192.0.2.2"))
	if want := parse("2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
