package netlab_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab"
	"github.com/alkdev/alknet/scripts/netlab/link"
)

func TestDelay(t *testing.T) {
	need(t, "ping")
	for _, family := range []string{"-4", "-6"} {
		t.Run(family, func(t *testing.T) {
			lab := netlab.New(t, netlab.Config{})
			inet := lab.Network("internet")
			a, b := inet.Host("a"), inet.Host("b")
			a.Link().Both(link.Shape{Delay: 20 * time.Millisecond})
			b.Link().Up(link.Shape{Delay: 10 * time.Millisecond})
			rtt := ping(t, a, family, "-c", "20", "-i", "0.05", b.Name())
			if len(rtt) != 20 {
				t.Fatalf("%d answers to 20 pings", len(rtt))
			}
			if rtt[0] < 50 || rtt[0] > 60 || rtt[len(rtt)/2] > 70 {
				t.Errorf("round trips of %v ms, want 50", rtt)
			}
		})
	}
}

var roundTrip = regexp.MustCompile(`time=([0-9.]+) ms`)

// ping returns the round trips in ms, sorted.
func ping(t testing.TB, from *netlab.Host, arg ...string) []float64 {
	t.Helper()
	out, err := from.Command(t.Context(), "ping", arg...).CombinedOutput()
	if err != nil {
		t.Fatalf("ping: %v\n%s", err, out)
	}
	var all []float64
	for _, m := range roundTrip.FindAllSubmatch(out, -1) {
		ms, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ms)
	}
	slices.Sort(all)
	return all
}

func TestRate(t *testing.T) {
	const rate, size = 20_000_000, 4_000_000
	lab := netlab.New(t, netlab.Config{})
	inet := lab.Network("internet")
	client, server := inet.Host("client"), inet.Host("server")
	client.Link().Both(link.Shape{Delay: 5 * time.Millisecond, Rate: rate})
	var shares []float64
	for range 3 { // other work on the machine makes one slower, nothing makes one faster
		took := transfer(t, client, server, "server", size)
		share := size * 8 / took.Seconds() / rate
		if share > 1.01 {
			t.Errorf("goodput is %.1f %% of the rate", 100*share)
		}
		shares = append(shares, share)
		if share > 0.8 {
			return
		}
	}
	t.Errorf("goodput is %.2f of the rate, want 0.8 to 1.01", shares)
}

// transfer sends size bytes over TCP and returns the time from the first byte
// to the last.
func transfer(t testing.TB, from, to *netlab.Host, name string, size int) time.Duration {
	t.Helper()
	l, err := to.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sent := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	go func() { sent <- upload(ctx, from, fmt.Sprintf("%s:%d", name, l.Addr().(*net.TCPAddr).Port), size) }()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	n, err := io.Copy(io.Discard, c)
	took := time.Since(begin)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if err != nil || n != int64(size-1) {
		t.Fatalf("received %d of %d bytes: %v", n+1, size, err)
	}
	return took
}

func upload(ctx context.Context, from *netlab.Host, address string, size int) error {
	c, err := from.Dial(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	if d, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(d); err != nil {
			return err
		}
	}
	_, err = c.Write(make([]byte, size))
	return err
}

func TestLoss(t *testing.T) {
	const n, p = 4000, 0.05
	run := func(seed uint64) []int {
		lab := netlab.New(t, netlab.Config{Seed: seed})
		inet := lab.Network("internet")
		a, b := inet.Host("a"), inet.Host("b")
		a.Link().Up(link.Shape{Loss: p})
		got := newFlow(t, a, b).send(n, 100)
		if want := n - int(a.Link().Stats().Up.Loss.Packets); len(got) != want {
			t.Errorf("%d packets arrived, and the link let %d pass", len(got), want)
		}
		return got
	}
	first, again, other := run(7), run(7), run(8)
	near(t, "lost packets", float64(n-len(first)), n*p, math.Sqrt(n*p*(1-p)))
	if !slices.Equal(first, again) {
		t.Error("the same seed lost other packets")
	}
	if slices.Equal(first, other) {
		t.Error("another seed lost the same packets")
	}
}

// near accepts what is within four standard deviations.
func near(t testing.TB, what string, got, want, sigma float64) {
	t.Helper()
	if math.Abs(got-want) > 4*sigma {
		t.Errorf("%s: %.2f, want %.2f ± %.2f", what, got, want, 4*sigma)
	}
}

func TestBursts(t *testing.T) {
	const n, enter, leave = 8000, 0.02, 0.25
	lab := netlab.New(t, netlab.Config{Seed: 3})
	inet := lab.Network("internet")
	a, b := inet.Host("a"), inet.Host("b")
	a.Link().Up(link.Shape{Burst: link.Burst{Enter: enter, Leave: leave}})
	got := append(newFlow(t, a, b).send(n, 100), n)
	var bursts, lost float64
	next := 0
	for _, number := range got {
		if number > next {
			bursts++
			lost += float64(number - next)
		}
		next = number + 1
	}
	near(t, "packets of a burst", lost/bursts, 1/leave, math.Sqrt(1-leave)/leave/math.Sqrt(bursts))
}

func TestReorder(t *testing.T) {
	const n, p = 1000, 0.2
	lab := netlab.New(t, netlab.Config{Seed: 4})
	inet := lab.Network("internet")
	a, b := inet.Host("a"), inet.Host("b")
	a.Link().Up(link.Shape{Delay: 200 * time.Millisecond, Reorder: p})
	got := newFlow(t, a, b).send(n, 100)
	overtook := float64(a.Link().Stats().Up.Overtook.Packets)
	near(t, "packets that overtook", overtook, n*p, math.Sqrt(n*p*(1-p)))
	late, highest := 0, -1
	for _, number := range got {
		if number < highest {
			late++
		}
		highest = max(highest, number)
	}
	if len(got) != n || late < n/4 {
		t.Errorf("%d of %d packets arrived, %d behind one with a higher number", len(got), n, late)
	}
}

func TestDuplicate(t *testing.T) {
	const n, p = 1000, 0.1
	lab := netlab.New(t, netlab.Config{Seed: 5})
	inet := lab.Network("internet")
	a, b := inet.Host("a"), inet.Host("b")
	a.Link().Up(link.Shape{Delay: time.Millisecond, Duplicate: p})
	got := newFlow(t, a, b).send(n, 100)
	near(t, "copies", float64(len(got)-n), n*p, math.Sqrt(n*p*(1-p)))
	if !slices.IsSorted(got) {
		t.Error("packets are out of order")
	}
}

func TestJitterKeepsOrder(t *testing.T) {
	lab := netlab.New(t, netlab.Config{Seed: 6})
	inet := lab.Network("internet")
	a, b := inet.Host("a"), inet.Host("b")
	shape := link.Shape{Delay: 5 * time.Millisecond, Jitter: 5 * time.Millisecond}
	a.Link().Up(shape)
	b.Link().Down(shape)
	f := newFlow(t, a, b)
	first := f.send(500, 100)
	a.Link().Up(link.Shape{}) // those under way are not overtaken
	second := f.send(500, 100)
	if len(first) != 500 || len(second) != 500 || !slices.IsSorted(first) || !slices.IsSorted(second) {
		t.Error("packets are lost or out of order")
	}
}

func TestBlockUDP(t *testing.T) {
	lab := netlab.New(t, netlab.Config{})
	inet := lab.Network("internet")
	a, b := inet.Host("a"), inet.Host("b")
	a.Link().Both(link.Shape{BlockUDP: true})
	if got := newFlow(t, a, b).send(10, 100); len(got) != 0 {
		t.Errorf("UDP passes: %v", got)
	}
	transfer(t, a, b, "b", 100_000)
}

func TestMTU(t *testing.T) {
	lab := netlab.New(t, netlab.Config{})
	inet := lab.Network("internet")
	a, b := inet.Host("a"), inet.Host("b")
	a.Link().Up(link.Shape{MTU: 1300})
	f := newFlow(t, a, b)
	if got := f.send(5, 1301-28); len(got) != 0 {
		t.Errorf("packets of 1301 bytes pass: %v", got)
	}
	if got := f.send(5, 1300-28); len(got) != 5 {
		t.Errorf("packets of 1300 bytes that passed: %v", got)
	}
}

func TestPathMTUDiscovery(t *testing.T) {
	for _, tt := range []struct {
		name   string
		family netlab.NetworkOption
	}{{"IPv4", netlab.V4Only()}, {"IPv6", netlab.V6Only()}} {
		t.Run(tt.name, func(t *testing.T) {
			lab := netlab.New(t, netlab.Config{})
			inet := lab.Network("internet", tt.family, netlab.PMTUD())
			a, b := inet.Host("a"), inet.Host("b")
			a.Link().Up(link.Shape{MTU: 1400})
			b.Link().Down(link.Shape{MTU: 1300})
			transfer(t, a, b, "b", 200_000)
			if a.Link().Stats().Up.MTU.Packets == 0 || b.Link().Stats().Down.MTU.Packets == 0 {
				t.Error("no packet was too big: the test shows nothing")
			}
		})
	}
}

func TestShapeFault(t *testing.T) {
	lab, err := netlab.Open(netlab.Config{})
	if err != nil {
		t.Skip(err)
	}
	defer lab.Close()
	h := lab.Network("internet").Host("a")
	if err := h.Link().Both(link.Shape{Loss: 2}); err == nil {
		t.Error("a loss of 200 % is accepted")
	}
}
