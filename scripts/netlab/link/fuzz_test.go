package link_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab/link"
)

// FuzzPipe sends packets by a script, three bytes each: the gap in 100 µs, the
// length in units of 16 bytes, and what the packet is. Fates are in order unless
// they overtake, bounded by what the shape can delay, counted, and repeatable.
func FuzzPipe(f *testing.F) {
	f.Add(uint64(1), int64(25e6), int64(5e6), 0.01, 0.01, 0.2, int64(10e6), 20_000, 0.05, 0.05, 1500, false, []byte("\x01\x50\x06\x00\x04\x11\x09\x60\x80"))
	f.Fuzz(func(t *testing.T, seed uint64, delay, jitter int64, loss, enter, leave float64, rate int64, queue int, reorder, duplicate float64, mtu int, block bool, script []byte) {
		s := link.Shape{
			Delay: time.Duration(delay), Jitter: time.Duration(jitter), Loss: loss, Burst: link.Burst{Enter: enter, Leave: leave},
			Rate: rate, Queue: queue, Reorder: reorder, Duplicate: duplicate, MTU: mtu, BlockUDP: block,
		}
		p, err := link.NewPipe(s, seed)
		if err != nil {
			if refused := new(link.RangeError); !errors.As(err, &refused) || s.Validate() == nil {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		fates := run(t, p, script)
		if again, _ := link.NewPipe(s, seed); !slices.Equal(run(t, again, script), fates) {
			t.Fatal("not repeatable")
		}
	})
}

func run(t *testing.T, p *link.Pipe, script []byte) (fates []link.Fate) {
	s := p.Shape()
	wait := s.Delay + s.Jitter
	if s.Rate > 0 {
		room := max(int64(s.Queue), s.Rate/80, 20*int64(max(s.MTU, 1500))) + 256*16
		wait += time.Duration(float64(room)*8e9/float64(s.Rate)) + time.Second
	}
	var now, last time.Duration
	for ; len(script) >= 3; script = script[3:] {
		now += time.Duration(script[0]) * 100 * time.Microsecond
		packet := make([]byte, 16*int(script[1]))
		copy(packet, []byte{script[2], 9: script[2]})
		f := p.Send(now, packet)
		fates = append(fates, f)
		if (f.N == 0) == (f.Drop == link.Delivered) || f.N < 0 || f.N > 2 {
			t.Fatalf("fate %+v", f)
		}
		for i, at := range f.At[:f.N] {
			if at < now || at > now+wait {
				t.Fatalf("sent at %v, comes out at %v; %+v", now, at, s)
			}
			if f.Overtook && i == 0 {
				continue
			}
			if at < last {
				t.Fatalf("comes out at %v, after %v", at, last)
			}
			last = at
		}
	}
	st := p.Stats()
	if n := st.Out.Packets - st.Duplicated.Packets + st.Dropped().Packets; n != st.In.Packets || n != uint64(len(fates)) {
		t.Fatalf("stats do not add up: %+v", st)
	}
	if n := st.Out.Bytes - st.Duplicated.Bytes + st.Dropped().Bytes; n != st.In.Bytes {
		t.Fatalf("bytes do not add up: %+v", st)
	}
	return fates
}

// FuzzText checks that what is accepted has a canonical form with the same value.
func FuzzText(f *testing.F) {
	for _, text := range []string{"25ms", "1%", "0.25 %", "10mbit", "1.5 Gbit/s", "unlimited", "64kB", "1.5KiB"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, back link.Settings
		if s.Delay.UnmarshalText([]byte(text)) == nil {
			again(t, text, s.Delay, &back.Delay)
		}
		if s.Loss.UnmarshalText([]byte(text)) == nil {
			again(t, text, s.Loss, &back.Loss)
		}
		if s.Rate.UnmarshalText([]byte(text)) == nil {
			again(t, text, s.Rate, &back.Rate)
		}
		if s.Queue.UnmarshalText([]byte(text)) == nil {
			again(t, text, s.Queue, &back.Queue)
		}
		if s != back {
			t.Fatalf("%q: %+v became %+v", text, s, back)
		}
		_ = s.Loss.String()
		if shape, err := s.Shape(); err == nil && shape.Settings() != s {
			t.Fatalf("%q: %+v has the shape %v", text, s, shape)
		}
	})
}

func again(t *testing.T, text string, v interface{ MarshalText() ([]byte, error) }, into interface{ UnmarshalText([]byte) error }) {
	canonical, err := v.MarshalText()
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if err := into.UnmarshalText(canonical); err != nil {
		t.Fatalf("%q has the canonical form %q, which is refused: %v", text, canonical, err)
	}
}
