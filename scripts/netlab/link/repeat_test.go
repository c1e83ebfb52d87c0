package link_test

import (
	"slices"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab/link"
)

func TestRepeatable(t *testing.T) {
	s := link.Shape{
		Delay: 20 * ms, Jitter: 20 * ms, Loss: 0.1, Burst: link.Burst{Enter: 0.05, Leave: 0.3},
		Rate: 5_000_000, Reorder: 0.1, Duplicate: 0.1,
	}
	run := func(seed uint64) []link.Fate {
		p := newPipe(t, s, seed)
		fates := sendEvery(p, 2*ms, 1000, ipv4(udp, 1200))
		if err := p.Set(link.Shape{Delay: 5 * ms, Loss: 0.5}); err != nil {
			t.Fatal(err)
		}
		return append(fates, sendEvery(p, 2*ms, 1000, ipv4(tcp, 1200))...)
	}
	if !slices.Equal(run(1), run(1)) {
		t.Error("the same seed gives other fates")
	}
	if slices.Equal(run(1), run(2)) {
		t.Error("another seed gives the same fates")
	}
}

// TestStreams checks that no decision shifts another: the packets that are lost
// are the same whatever else the link does, also when it is changed on the way.
func TestStreams(t *testing.T) {
	const n = 5000
	lost := func(s link.Shape, later ...link.Shape) (numbers []int) {
		p := newPipe(t, s, 9)
		for i := range n {
			if i == n/2 && len(later) > 0 {
				if err := p.Set(later[0]); err != nil {
					t.Fatal(err)
				}
			}
			if p.Send(time.Duration(i)*ms, ipv4(udp, 100)).Drop == link.Lost {
				numbers = append(numbers, i)
			}
		}
		return numbers
	}
	all := link.Shape{Loss: 0.05, Delay: 50 * ms, Jitter: 30 * ms, Reorder: 0.2, Duplicate: 0.2, Rate: 10_000_000, MTU: 1500}
	want := lost(link.Shape{Loss: 0.05})
	for name, got := range map[string][]int{
		"with everything else":         lost(all),
		"everything else from halfway": lost(link.Shape{Loss: 0.05}, all),
		"everything else to halfway":   lost(all, link.Shape{Loss: 0.05}),
	} {
		if !slices.Equal(got, want) {
			t.Errorf("%s: other packets are lost", name)
		}
	}
	more := lost(link.Shape{Loss: 0.1})
	for _, i := range want {
		if _, found := slices.BinarySearch(more, i); !found {
			t.Errorf("packet %d is lost at 5%% but not at 10%%", i)
		}
	}
}

func TestSet(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		p := newPipe(t, link.Shape{Delay: ms}, 1)
		if err := p.Set(link.Shape{Loss: 2}); err == nil {
			t.Error("Set accepted a loss of 2")
		}
		if p.Shape() != (link.Shape{Delay: ms}) {
			t.Errorf("the shape became %v", p.Shape())
		}
	})
	t.Run("shorter delay does not overtake", func(t *testing.T) {
		p := newPipe(t, link.Shape{Delay: 100 * ms}, 1)
		first := p.Send(0, ipv4(tcp, 100))
		if err := p.Set(link.Shape{}); err != nil {
			t.Fatal(err)
		}
		if second := p.Send(ms, ipv4(tcp, 100)); second.At[0] != first.At[0] {
			t.Errorf("sent behind %v, comes out at %v", first.At[0], second.At[0])
		}
	})
	t.Run("a burst ends with its setting", func(t *testing.T) {
		p := newPipe(t, link.Shape{Burst: link.Burst{Enter: 1, Leave: 0.0001}}, 1)
		first := p.Send(0, ipv4(tcp, 100))
		if err := p.Set(link.Shape{}); err != nil {
			t.Fatal(err)
		}
		if second := p.Send(0, ipv4(tcp, 100)); first.Drop != link.LostInBurst || second.Drop != link.Delivered {
			t.Errorf("%v, then %v", first.Drop, second.Drop)
		}
	})
	t.Run("the queue stays full at another rate", func(t *testing.T) {
		p := newPipe(t, link.Shape{Rate: 80_000, Queue: 10_000}, 1)
		sendEvery(p, 0, 20, ipv4(tcp, 1000)) // 10 wait: 1 s
		if err := p.Set(link.Shape{Rate: 8_000_000, Queue: 10_000}); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			at   time.Duration
			want link.Cause
		}{
			{0, link.QueueFull},
			{50 * ms, link.QueueFull},
			{101 * ms, link.Delivered}, // the first 1000 bytes have left
			{102 * ms, link.QueueFull},
			{999 * ms, link.Delivered}, // almost all has left
		} {
			if f := p.Send(step.at, ipv4(tcp, 1000)); f.Drop != step.want {
				t.Errorf("at %v: %v, want %v", step.at, f.Drop, step.want)
			}
		}
	})
	t.Run("changing the rate often makes no room", func(t *testing.T) {
		p := newPipe(t, link.Shape{Rate: 1_000_000, Queue: 10_000}, 1)
		for i := range 2000 {
			rate := int64(1_000_000 + 1000*(i%2))
			if err := p.Set(link.Shape{Rate: rate, Queue: 10_000}); err != nil {
				t.Fatal(err)
			}
			now := time.Duration(i) * ms
			if f := p.Send(now, ipv4(tcp, 1000)); f.N > 0 && f.At[0]-now > 81*ms {
				t.Fatalf("a packet waits %v, the queue holds 80 ms", f.At[0]-now)
			}
		}
		near(t, "bytes out", float64(p.Stats().Out.Bytes), 250_000+10_000, 0.03)
	})
}

func TestTimeDoesNotRunBackwards(t *testing.T) {
	p := newPipe(t, link.Shape{Delay: ms, Reorder: 1}, 1)
	p.Send(time.Second, ipv4(tcp, 40))
	if f := p.Send(0, ipv4(tcp, 40)); f.At[0] != time.Second {
		t.Errorf("comes out at %v", f.At[0])
	}
}
