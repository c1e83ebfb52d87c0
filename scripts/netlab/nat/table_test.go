package nat_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab/nat"
)

func TestPorts(t *testing.T) {
	fill := func(seed uint64) (used []uint16) {
		n := newNAT(t, nat.Config{Kind: nat.Symmetric, Seed: seed, MaxMappings: 64512})
		for i := range 64512 {
			from := netip.AddrPortFrom(alice.Addr(), uint16(i))
			used = append(used, out(t, n, 0, udpPacket(from, server, "")).Port())
		}
		if _, err := n.Outbound(0, udpPacket(bob, server, "")); err != nat.Full {
			t.Errorf("64513th mapping: %v", err)
		}
		return used
	}
	one, again, two := fill(1), fill(1), fill(2)
	for seed := range uint64(8) {
		distinct := slices.Compact(slices.Sorted(slices.Values(fill(seed))))
		if len(distinct) != 64512 || distinct[0] != 1024 {
			t.Errorf("seed %d: %d distinct ports from %d", seed, len(distinct), distinct[0])
		}
	}
	if !slices.Equal(one, again) {
		t.Error("the same seed gives other ports")
	}
	if slices.Equal(one, two) {
		t.Error("another seed gives the same ports")
	}
}

// TestPortInUse: when all ports have been used once, one that is still in use is
// passed over.
func TestPortInUse(t *testing.T) {
	n := newNAT(t, nat.Config{})
	taken := out(t, n, 0, udpPacket(alice, server, ""))
	for i := range 65000 {
		now := time.Duration(i) * 100 * time.Second
		if got := out(t, n, now, udpPacket(alice, server, "")); got != taken {
			t.Fatalf("alice moved from %v to %v", taken, got)
		}
		if got := out(t, n, now, udpPacket(netip.AddrPortFrom(bob.Addr(), uint16(i)), server, "")); got == taken {
			t.Fatalf("bob got alice's port in round %d", i)
		}
	}
}

func TestFull(t *testing.T) {
	t.Run("mappings", func(t *testing.T) {
		n := newNAT(t, nat.Config{MaxMappings: 2})
		a := out(t, n, 0, udpPacket(alice, server, "x"))
		out(t, n, time.Minute, udpPacket(bob, server, "x"))
		third := ap("10.0.0.4:1")
		if _, err := n.Outbound(time.Minute, udpPacket(third, server, "x")); err != nat.Full {
			t.Errorf("third: %v", err)
		}
		if got := out(t, n, time.Minute, udpPacket(alice, server, "x")); got != a {
			t.Errorf("a full table moved %v to %v", a, got)
		}
		out(t, n, 3*time.Minute, udpPacket(third, server, "x")) // bob's has expired
	})
	t.Run("peers", func(t *testing.T) {
		n := newNAT(t, nat.Config{Kind: nat.PortRestricted, MaxMappings: 1})
		to := func(i int) []byte { return udpPacket(alice, netip.AddrPortFrom(server.Addr(), uint16(i)), "x") }
		for i := range 16 {
			out(t, n, time.Duration(i)*time.Second, to(i))
		}
		if _, err := n.Outbound(15*time.Second, to(16)); err != nat.Full {
			t.Errorf("17th peer: %v", err)
		}
		out(t, n, 15*time.Second, to(15))
		out(t, n, 120*time.Second, to(16)) // the first has expired
		if m := n.Mappings(); len(m) != 1 || m[0].Peers != 16 {
			t.Errorf("mappings %+v", m)
		}
		for i := range 16 { // the mapping has expired with all its peers
			out(t, n, time.Hour, to(i))
		}
		n.Rebind()
		for i := range 16 {
			out(t, n, time.Hour, to(i))
		}
	})
}

func TestMappings(t *testing.T) {
	n := newNAT(t, nat.Config{Kind: nat.Symmetric})
	b := out(t, n, time.Second, tcpPacket(bob, other, syn, ""))
	a := out(t, n, 2*time.Second, udpPacket(alice, server, "x"))
	want := []nat.Mapping{
		{Protocol: tcp, Inside: bob, Outside: b, Remote: other, Used: time.Second},
		{Protocol: udp, Inside: alice, Outside: a, Remote: server, Used: 2 * time.Second},
	}
	if got := n.Mappings(); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	_ = n.Inbound(10*time.Minute, nil)
	if got := n.Mappings(); len(got) != 0 {
		t.Errorf("expired mappings are listed: %+v", got)
	}
}
