package endpoint

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
)

func TestLedger(t *testing.T) {
	l := &ledger{limits: func() config.Limits { return config.Limits{ConnsPerIP: 2, ConnsPerIdentity: 2, Handshakes: 1024} }}
	var nobody auth.Identity
	laptop := auth.Identity{Kind: auth.KindPeer, Name: "laptop"}
	here, there := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/64")

	for range 2 {
		if !l.beginHandshake(here, 0) || !l.add(nobody, here) {
			t.Fatal("refused within the limit")
		}
	}
	if l.beginHandshake(here, 0) || l.add(nobody, here) {
		t.Error("admitted beyond the limit")
	}
	if !l.beginHandshake(there, 0) || !l.add(nobody, there) {
		t.Error("one source's connections count for another")
	}
	for i := range 3 {
		if got := l.add(laptop, here); got != (i < 2) {
			t.Errorf("connection %d of an identity: admitted %v", i+1, got)
		}
	}
	for range 5 {
		if !l.beginHandshake(netip.Prefix{}, 1000) || !l.add(nobody, netip.Prefix{}) {
			t.Error("an exempt source is limited")
		}
	}
	l.remove(laptop, here)
	if !l.add(laptop, there) {
		t.Error("a connection that ended still counts")
	}
	for range 2 {
		l.endHandshake(here)
		l.remove(nobody, here)
		l.remove(laptop, here)
	}
	l.endHandshake(there)
	l.remove(nobody, there)
	if len(l.sources) != 0 || len(l.identities) != 0 {
		t.Errorf("left over: %v, %v", l.sources, l.identities)
	}
}

// It takes many sources to fill the gate for everybody.
func TestHandshakeShares(t *testing.T) {
	for _, test := range []struct {
		name           string
		limits         config.Limits
		first, sources int // what one source gets, and how many fill the gate
	}{
		{"default", config.Limits{}, 64, 8 + 64},
		{"few connections per address", config.Limits{ConnsPerIP: 4}, 4, 256},
		{"small", config.Limits{Handshakes: 64}, 8, 8},
		{"large", config.Limits{Handshakes: 8192, ConnsPerIP: 10_000}, 512, 8 + 512},
	} {
		t.Run(test.name, func(t *testing.T) {
			limits := test.limits.WithDefaults()
			l := &ledger{limits: func() config.Limits { return limits }}
			g := &gate{limit: func() int { return limits.Handshakes }}
			ip, sources, first := netip.MustParseAddr("192.0.2.0"), 0, 0
			for g.count() < limits.Handshakes {
				ip = ip.Next()
				p := netip.PrefixFrom(ip, 32)
				for l.beginHandshake(p, g.count()) {
					if !g.tryEnter() {
						l.endHandshake(p)
						break
					}
				}
				if sources++; sources == 1 {
					first = g.count()
				}
			}
			if first != test.first || sources != test.sources {
				t.Errorf("one source gets %d, and %d sources fill the gate; want %d and %d", first, sources, test.first, test.sources)
			}
		})
	}
}

func TestPrefix(t *testing.T) {
	udp := func(ip string) net.Addr { return &net.UDPAddr{IP: net.ParseIP(ip), Port: 1} }
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 1} }
	for _, test := range []struct {
		addr net.Addr
		want string
	}{
		{udp("192.0.2.1"), "192.0.2.1/32"},
		{tcp("::ffff:192.0.2.1"), "192.0.2.1/32"},
		{udp("2001:db8:1:2:3::4"), "2001:db8:1:2::/64"},
		{tcp("127.0.0.5"), "invalid Prefix"},
		{udp("::1"), "invalid Prefix"},
		{udp("::ffff:127.0.0.1"), "invalid Prefix"},
	} {
		if got := (&Endpoint{}).prefix(test.addr).String(); got != test.want {
			t.Errorf("%v: got %s, want %s", test.addr, got, test.want)
		}
	}
}

func TestGate(t *testing.T) {
	g := &gate{limit: func() int { return 2 }}
	for i := range 3 {
		if got := g.tryEnter(); got != (i < 2) {
			t.Fatalf("entry %d: %v", i+1, got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if g.enter(ctx) == nil {
		t.Fatal("entered a full gate")
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := g.enter(t.Context()); err != nil {
				t.Error(err)
			}
			if n := g.count(); n > 2 {
				t.Errorf("%d inside", n)
			}
			g.leave()
		})
	}
	g.leave()
	g.leave()
	wg.Wait()
	if g.count() != 0 {
		t.Errorf("%d left inside", g.count())
	}
}
