package netlab

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestHeap takes arrivals of random times, many of them equal, out of the heap.
func TestHeap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s := &scheduler{start: time.Now()}
	var want []arrival
	for number := range uint64(5000) {
		a := arrival{at: time.Duration(random.IntN(1000)), number: number}
		want = append(want, a)
		s.heap = append(s.heap, a)
		s.up(len(s.heap) - 1)
	}
	slices.SortStableFunc(want, func(a, b arrival) int { return int(a.at - b.at) })
	for i, w := range want {
		if got := s.heap[0]; got != w {
			t.Fatalf("number %d comes out at %d, want number %d at %d (place %d)", got.number, got.at, w.number, w.at, i)
		}
		s.pop()
	}
}

// TestEarlier: an arrival that is added later and is due sooner does not wait.
func TestEarlier(t *testing.T) {
	lab := lonely(t)
	far, near := lab.newLine("far", ""), lab.newLine("near", "")
	arrived := make(chan *packet)
	near.out = func(p *packet) { arrived <- p }
	lab.scheduler.add(time.Hour, far, new(packet))
	p := new(packet)
	lab.scheduler.add(lab.scheduler.now()+time.Millisecond, near, p)
	if got := <-arrived; got != p {
		t.Error("another packet arrived")
	}
}

// TestNotOvertaken: a packet that would come out at once stays behind one that
// is due and that the scheduler has not let out yet.
func TestNotOvertaken(t *testing.T) {
	for _, waiting := range []int{0, 1} {
		late, err := newAlarm()
		if err != nil {
			t.Skip(err)
		}
		defer late.close()
		lab := &Lab{scheduler: &scheduler{start: time.Now(), alarm: late}} // nothing runs
		l := lab.newLine("a", "up")
		out := 0
		l.out = func(*packet) { out++ }
		l.waiting = waiting
		l.send(&packet{data: v4(17, 0)})
		if held := len(lab.scheduler.heap); held != waiting || out != 1-waiting {
			t.Errorf("with %d waiting, %d came out and %d wait", waiting, out, held)
		}
	}
}

// lonely is a lab with a scheduler and nothing else.
func lonely(t *testing.T) *Lab {
	s, err := newScheduler()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(s.close)
	return &Lab{scheduler: s}
}

func TestOverflow(t *testing.T) {
	s, err := newScheduler()
	if err != nil {
		t.Skip(err)
	}
	defer s.close()
	for i := range maxInFlight + 1 {
		if got, want := s.add(time.Hour, nil, nil), i < maxInFlight; got != want {
			t.Fatalf("packet %d: %v, want %v", i, got, want)
		}
	}
}
