package link_test

import (
	"math"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab/link"
)

const ms = time.Millisecond

func TestPerfect(t *testing.T) {
	p := newPipe(t, link.Shape{}, 1)
	for i, f := range sendEvery(p, ms, 1000, ipv4(udp, 1500)) {
		want := link.Fate{N: 1, At: [2]time.Duration{time.Duration(i) * ms}}
		if f != want {
			t.Fatalf("packet %d: %+v, want %+v", i, f, want)
		}
	}
	if s := p.Stats(); s.In != s.Out || s.In != (link.Count{Packets: 1000, Bytes: 1_500_000}) {
		t.Errorf("stats %+v", s)
	}
}

func TestPath(t *testing.T) {
	tests := []struct {
		name   string
		shape  link.Shape
		packet []byte
		want   link.Fate
	}{
		{"delay", link.Shape{Delay: 25 * ms}, ipv4(tcp, 40), link.Fate{N: 1, At: [2]time.Duration{35 * ms}}},
		{"rate", link.Shape{Rate: 1_000_000}, ipv4(tcp, 1500), link.Fate{N: 1, At: [2]time.Duration{22 * ms}}},
		{"rate and delay", link.Shape{Rate: 1_000_000, Delay: 5 * ms}, ipv4(tcp, 1500), link.Fate{N: 1, At: [2]time.Duration{27 * ms}}},
		{"cut", link.Shape{Loss: 1}, ipv4(tcp, 40), link.Fate{Drop: link.Lost}},
		{"burst", link.Shape{Burst: link.Burst{Enter: 1, Leave: 0.1}}, ipv4(tcp, 40), link.Fate{Drop: link.LostInBurst}},
		{"mtu", link.Shape{MTU: 1280}, ipv4(tcp, 1280), link.Fate{N: 1, At: [2]time.Duration{10 * ms}}},
		{"above mtu", link.Shape{MTU: 1280}, ipv4(tcp, 1281), link.Fate{Drop: link.TooBig}},
		{"twice", link.Shape{Duplicate: 1, Delay: 5 * ms}, ipv4(tcp, 40), link.Fate{N: 2, At: [2]time.Duration{15 * ms, 15 * ms}}},
		{"overtakes", link.Shape{Reorder: 1, Delay: 5 * ms}, ipv4(tcp, 40), link.Fate{N: 1, At: [2]time.Duration{10 * ms}, Overtook: true}},
		{"idle link takes what the queue cannot hold", link.Shape{Rate: 8_000_000, Queue: 1}, ipv4(tcp, 1000), link.Fate{N: 1, At: [2]time.Duration{11 * ms}}},
		{"blocked before it is too big", link.Shape{BlockUDP: true, MTU: 68}, ipv4(udp, 1500), link.Fate{Drop: link.UDPBlocked}},
		{"empty", link.Shape{BlockUDP: true, Rate: 1000}, nil, link.Fate{N: 1, At: [2]time.Duration{10 * ms}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPipe(t, tt.shape, 1)
			if got := p.Send(10*ms, tt.packet); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			s := p.Stats()
			counts := []link.Count{s.Out, s.Loss, s.Burst, s.Queue, s.MTU, s.UDP} // in the order of Cause
			if tt.want.Drop != link.Delivered && counts[tt.want.Drop] != s.In {
				t.Errorf("%v is not counted: %+v", tt.want.Drop, s)
			}
		})
	}
}

func TestBlockUDP(t *testing.T) {
	hop := []byte{udp, 0, 0, 0, 0, 0, 0, 0}
	tests := []struct {
		name    string
		packet  []byte
		blocked bool
	}{
		{"IPv4 UDP", ipv4(udp, 28), true},
		{"IPv4 TCP", ipv4(tcp, 40), false},
		{"IPv4 cut short", ipv4(udp, 19), false},
		{"IPv6 UDP", ipv6(udp), true},
		{"IPv6 TCP", ipv6(tcp), false},
		{"IPv6 hop-by-hop, UDP", ipv6(0, hop...), true},
		{"IPv6 fragment, UDP", ipv6(44, udp, 200, 0, 1, 0, 0, 0, 0), true},
		{"IPv6 authentication, UDP", ipv6(51, append([]byte{udp, 1}, make([]byte, 10)...)...), true},
		{"IPv6 authentication, hop-by-hop, UDP", ipv6(51, append(append([]byte{0, 1}, make([]byte, 10)...), hop...)...), true},
		{"IPv6 routing, hop-by-hop, UDP", ipv6(43, append([]byte{0, 0, 0, 0, 0, 0, 0, 0}, hop...)...), true},
		{"IPv6 header longer than the packet", ipv6(0, udp, 1, 0, 0, 0, 0, 0, 0), false},
		{"IPv6 cut short", ipv6(udp)[:39], false},
		{"no IP", []byte{0x11, 0, 0, 0, 0, 0, 0, 0, 0, udp}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newPipe(t, link.Shape{BlockUDP: true}, 1).Send(0, tt.packet)
			if got := f.Drop == link.UDPBlocked; got != tt.blocked {
				t.Errorf("blocked %v, want %v", got, tt.blocked)
			}
		})
	}
}

// within checks a count against the binomial distribution: four standard
// deviations, which a fixed seed passes for ever or never.
func within(t *testing.T, what string, got, n int, p float64) {
	t.Helper()
	mean, sigma := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
	if math.Abs(float64(got)-mean) > 4*sigma {
		t.Errorf("%s: %d of %d, want %.0f ± %.0f", what, got, n, mean, 4*sigma)
	}
}

func TestProbabilities(t *testing.T) {
	const n = 200_000
	for _, p := range []float64{0.0001, 0.01, 0.3, 0.5, 0.99} {
		for seed := range uint64(3) {
			pipe := newPipe(t, link.Shape{Delay: ms, Loss: p}, seed)
			sendEvery(pipe, ms, n, ipv4(udp, 100))
			within(t, "lost", int(pipe.Stats().Loss.Packets), n, p)

			pipe = newPipe(t, link.Shape{Delay: ms, Reorder: p, Duplicate: p}, seed)
			sendEvery(pipe, ms, n, ipv4(udp, 100))
			within(t, "overtook", int(pipe.Stats().Overtook.Packets), n, p)
			within(t, "duplicated", int(pipe.Stats().Duplicated.Packets), n, p)
			if s := pipe.Stats(); s.Out.Packets != s.In.Packets+s.Duplicated.Packets {
				t.Errorf("stats do not add up: %+v", s)
			}
		}
	}
}

// TestLossIsIndependent counts losses that follow a loss: with no memory they
// are as frequent as any other.
func TestLossIsIndependent(t *testing.T) {
	const n = 200_000
	fates := sendEvery(newPipe(t, link.Shape{Loss: 0.1}, 7), ms, n, ipv4(udp, 100))
	lost, pairs := 0, 0
	for i, f := range fates[1:] {
		if fates[i].Drop == link.Lost {
			lost++
			if f.Drop == link.Lost {
				pairs++
			}
		}
	}
	within(t, "losses after a loss", pairs, lost, 0.1)
}

func TestBurst(t *testing.T) {
	const n = 500_000
	tests := []struct {
		name  string
		burst link.Burst
	}{
		{"Gilbert", link.Burst{Enter: 0.01, Leave: 0.25}},
		{"long", link.Burst{Enter: 0.001, Leave: 0.02}},
		{"Elliott", link.Burst{Enter: 0.02, Leave: 0.1, Loss: 0.5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lost, runs := 0, 0
			last := false
			for _, f := range sendEvery(newPipe(t, link.Shape{Burst: tt.burst}, 3), ms, n, ipv4(udp, 100)) {
				now := f.Drop == link.LostInBurst
				if now {
					lost++
				}
				if now && !last {
					runs++
				}
				last = now
			}
			b, in := tt.burst, tt.burst.Loss
			if in == 0 {
				in = 1
			}
			near(t, "share lost", float64(lost)/n, b.Enter/(b.Enter+b.Leave)*in, 0.05)
			// A run of losses goes on if the stretch does and takes the next packet too.
			if next := (1 - b.Leave) * in; in == 1 {
				near(t, "mean length of a burst", float64(lost)/float64(runs), 1/(1-next), 0.05)
			} else if mean := float64(lost) / float64(runs); mean < 1/(1-next)*0.95 {
				t.Errorf("mean run %.2f, want at least %.2f", mean, 1/(1-next))
			}
		})
	}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*want {
		t.Errorf("%s: %.5g, want %.5g ± %.0f%%", what, got, want, tolerance*100)
	}
}

func TestJitter(t *testing.T) {
	const n = 100_000
	s := link.Shape{Delay: 50 * ms, Jitter: 10 * ms}
	var sum time.Duration
	low, high := time.Hour, time.Duration(0)
	for i, f := range sendEvery(newPipe(t, s, 5), 30*ms, n, ipv4(udp, 100)) { // the gap is above 2 × Jitter
		d := f.At[0] - time.Duration(i)*30*ms
		sum, low, high = sum+d, min(low, d), max(high, d)
	}
	if low < 40*ms || low > 40*ms+ms/10 || high > 60*ms || high < 60*ms-ms/10 {
		t.Errorf("delays from %v to %v, want 40ms to 60ms", low, high)
	}
	near(t, "mean delay", float64(sum)/n, float64(50*ms), 0.002)
}

func TestOrder(t *testing.T) {
	s := link.Shape{Delay: 50 * ms, Jitter: 50 * ms, Duplicate: 0.1, Loss: 0.1}
	last := time.Duration(0)
	for i, f := range sendEvery(newPipe(t, s, 5), ms, 10_000, ipv4(udp, 100)) {
		for _, at := range f.At[:f.N] {
			if at < last {
				t.Fatalf("packet %d comes out at %v, after %v", i, at, last)
			}
			last = at
		}
	}
	s.Reorder = 0.1
	overtaken, last := 0, time.Duration(0)
	for _, f := range sendEvery(newPipe(t, s, 5), ms, 10_000, ipv4(udp, 100)) {
		for j, at := range f.At[:f.N] {
			switch {
			case f.Overtook && j == 0:
				if at < last {
					overtaken++
				}
			case at < last:
				t.Fatalf("a packet that did not overtake comes out at %v, after %v", at, last)
			default:
				last = at
			}
		}
	}
	if overtaken < 500 {
		t.Errorf("%d packets overtook others, want most of 900", overtaken)
	}
}

// TestRate offers twice what the link carries: packets leave back to back, at
// n × size × 8 / rate to the nanosecond, however the division goes.
func TestRate(t *testing.T) {
	for _, rate := range []int64{1000, 64_000, 10_000_000, 3_333_333, 100_000_000_000, 999_999_999_999} {
		const size, n = 777, 5000
		p := newPipe(t, link.Shape{Rate: rate, Queue: 1 << 30}, 1)
		for i := range n {
			got := p.Send(0, ipv4(tcp, size)).At[0]
			want := time.Duration(math.Floor(float64(i+1) * size * 8e9 / float64(rate)))
			if d := got - want; d < -1 || d > 1 {
				t.Fatalf("rate %d: packet %d leaves at %v, want %v", rate, i, got, want)
			}
		}
	}
}

func TestIdleRate(t *testing.T) {
	p := newPipe(t, link.Shape{Rate: 7_000_000}, 1) // 1500 bytes in 1714285.7 ns
	for i := range 1000 {
		now := time.Duration(i) * 3 * ms
		if f := p.Send(now, ipv4(tcp, 1500)); f.At[0] != now+1_714_285 {
			t.Fatalf("packet %d: %+v", i, f)
		}
	}
}

func TestQueue(t *testing.T) {
	tests := []struct {
		name   string
		shape  link.Shape
		size   int
		accept int // of packets sent at once
	}{
		{"ten and the one being sent", link.Shape{Rate: 1_000_000, Queue: 10_000}, 1000, 10},
		{"one that does not fit", link.Shape{Rate: 1_000_000, Queue: 1500}, 1000, 1},
		{"default of a slow link: 20 packets", link.Shape{Rate: 1_000_000}, 1500, 20},
		{"default of a slow link with an MTU", link.Shape{Rate: 1_000_000, MTU: 500}, 500, 25}, // 100 ms are 12500
		{"default of a fast link: 100 ms", link.Shape{Rate: 80_000_000}, 1000, 1000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPipe(t, tt.shape, 1)
			for i, f := range sendEvery(p, 0, 2000, ipv4(tcp, tt.size)) {
				if accepted := f.Drop == link.Delivered; accepted != (i < tt.accept) {
					t.Fatalf("packet %d: %v, want the first %d to be accepted", i, f.Drop, tt.accept)
				}
			}
			if got := p.Stats().Queue.Packets; got != uint64(2000-tt.accept) {
				t.Errorf("counted %d drops, want %d", got, 2000-tt.accept)
			}
		})
	}
}

// TestOverload checks that a queue which is always full lets out the rate.
func TestOverload(t *testing.T) {
	p := newPipe(t, link.Shape{Rate: 10_000_000}, 1)
	sendEvery(p, 100*time.Microsecond, 100_000, ipv4(udp, 1250)) // 100 Mbit/s for 10 s
	near(t, "bits out", float64(p.Stats().Out.Bytes)*8, 10*10_000_000, 0.02)
}
