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
