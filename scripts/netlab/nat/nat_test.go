package nat_test

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab/nat"
)

var allKinds = []nat.Kind{nat.FullCone, nat.AddressRestricted, nat.PortRestricted, nat.Symmetric}

// TestKinds asks what a classifier asks (RFC 3489 §10.1): is the mapping the same
// for another destination, and who may answer.
func TestKinds(t *testing.T) {
	otherPort := netip.AddrPortFrom(server.Addr(), 444)
	tests := []struct {
		kind                  nat.Kind
		reused                bool
		fromOther, fromSource error
	}{
		{nat.FullCone, true, nil, nil},
		{nat.AddressRestricted, true, nat.Filtered, nil},
		{nat.PortRestricted, true, nat.Filtered, nat.Filtered},
		{nat.Symmetric, false, nat.Filtered, nat.Filtered},
	}
	for _, tt := range tests {
		for protocol, packet := range map[string]func(src, dst netip.AddrPort) []byte{
			"UDP": func(src, dst netip.AddrPort) []byte { return udpPacket(src, dst, "x") },
			"TCP": func(src, dst netip.AddrPort) []byte { return tcpPacket(src, dst, syn, "") },
		} {
			t.Run(tt.kind.String()+" "+protocol, func(t *testing.T) {
				n := newNAT(t, nat.Config{Kind: tt.kind})
				a := out(t, n, 0, packet(alice, server))
				if a.Addr() != outside || a.Port() < 1024 {
					t.Errorf("outside %v", a)
				}
				if got := in(t, n, 0, packet(server, a)); got != alice {
					t.Errorf("the answer goes to %v", got)
				}
				if err := n.Inbound(0, packet(other, a)); err != tt.fromOther {
					t.Errorf("from a stranger: %v, want %v", err, tt.fromOther)
				}
				if err := n.Inbound(0, packet(otherPort, a)); err != tt.fromSource {
					t.Errorf("from another port: %v, want %v", err, tt.fromSource)
				}
				if again := out(t, n, 0, packet(alice, server)); again != a {
					t.Errorf("the same flow has %v, then %v", a, again)
				}
				if b := out(t, n, 0, packet(alice, other)); (b == a) != tt.reused {
					t.Errorf("%v for one destination, %v for another", a, b)
				}
				if b := out(t, n, 0, packet(bob, server)); b == a {
					t.Errorf("two inside hosts share %v", b)
				}
			})
		}
	}
}

// TestRoundTrip checks that only addresses, ports and checksums change, and that
// the answer arrives as if there were no NAT.
func TestRoundTrip(t *testing.T) {
	tests := []struct {
		name     string
		out      []byte
		answer   func(at netip.AddrPort) []byte
		expected []byte
	}{
		{
			"UDP", udpPacket(alice, server, "odd"),
			func(at netip.AddrPort) []byte { return udpPacket(server, at, "even") }, udpPacket(server, alice, "even"),
		},
		{
			"TCP", tcpPacket(alice, server, syn, ""),
			func(at netip.AddrPort) []byte { return tcpPacket(server, at, syn|ack, "x") }, tcpPacket(server, alice, syn|ack, "x"),
		},
		{
			"ping", echo(echoRequest, alice, server, alice.Port()),
			func(at netip.AddrPort) []byte { return echo(echoReply, server, at, at.Port()) }, echo(echoReply, server, alice, alice.Port()),
		},
	}
	for _, tt := range tests {
		for _, kind := range allKinds {
			t.Run(tt.name+" "+kind.String(), func(t *testing.T) {
				n := newNAT(t, nat.Config{Kind: kind})
				at := out(t, n, 0, slices.Clone(tt.out))
				answer := tt.answer(at)
				in(t, n, 0, answer)
				if !bytes.Equal(answer, tt.expected) {
					t.Errorf("got  %x\nwant %x", answer, tt.expected)
				}
			})
		}
	}
}

func TestUDPChecksum(t *testing.T) {
	t.Run("none stays none", func(t *testing.T) {
		p := udpPacket(alice, server, "x")
		p[26], p[27] = 0, 0
		out(t, newNAT(t, nat.Config{}), 0, p)
		if p[26] != 0 || p[27] != 0 {
			t.Errorf("checksum %x", p[26:28])
		}
	})
	t.Run("never becomes none", func(t *testing.T) { // one of these sums up to 0
		n := newNAT(t, nat.Config{})
		for v := range 65536 {
			p := udpPacket(alice, server, string([]byte{byte(v >> 8), byte(v)}))
			out(t, n, 0, p)
			if p[26] == 0 && p[27] == 0 {
				t.Fatalf("data %04x: no checksum", v)
			}
		}
	})
	t.Run("wrong stays wrong", func(t *testing.T) {
		p := udpPacket(alice, server, "x")
		p[28] ^= 1
		if _, err := newNAT(t, nat.Config{}).Outbound(0, p); err != nil || valid(p) {
			t.Errorf("%v, valid %v", err, valid(p))
		}
	})
}

func TestTimeouts(t *testing.T) {
	const udpOut, tcpOut = 120 * time.Second, 2*time.Hour + 4*time.Minute
	u := func(src, dst netip.AddrPort) []byte { return udpPacket(src, dst, "x") }
	with := func(flags byte, data string) func(src, dst netip.AddrPort) []byte {
		return func(src, dst netip.AddrPort) []byte { return tcpPacket(src, dst, flags, data) }
	}
	type packet = func(src, dst netip.AddrPort) []byte
	tests := []struct {
		name     string
		cfg      nat.Config
		out, in  packet        // at 0, and then again at 100 s
		again    packet        // outbound at 100 s, nil for none
		lives    time.Duration // after the last packet, at 100 s
		notAfter time.Duration
	}{
		{"UDP, kept by outbound", nat.Config{}, u, u, u, 119 * time.Second, udpOut},
		{"UDP, not kept by inbound", nat.Config{}, u, u, nil, 19 * time.Second, 20 * time.Second},
		{"UDP, kept by inbound", nat.Config{InboundRefresh: true}, u, u, nil, 119 * time.Second, udpOut},
		{"UDP, own timeout", nat.Config{UDPTimeout: time.Hour}, u, u, u, time.Hour - 1, time.Hour},
		{"TCP open", nat.Config{}, with(syn, ""), with(syn|ack, ""), with(ack, ""), tcpOut - 1, tcpOut},
		{"TCP kept by inbound", nat.Config{}, with(syn, ""), with(syn|ack, ""), nil, tcpOut - 1, tcpOut},
		{"TCP without answer", nat.Config{}, with(syn, ""), with(ack, ""), with(ack, ""), 4*time.Minute - 1, 4 * time.Minute},
		{"TCP closed", nat.Config{}, with(syn, ""), with(syn|ack, ""), with(fin|ack, ""), 4*time.Minute - 1, 4 * time.Minute},
		{"TCP reset", nat.Config{}, with(syn, ""), with(syn|ack, ""), with(rst, ""), 4*time.Minute - 1, 4 * time.Minute},
		{"TCP with data only", nat.Config{}, with(ack, "x"), with(ack, ""), with(ack, ""), tcpOut - 1, tcpOut},
		{"TCP, own timeout", nat.Config{TCPTimeout: 101 * time.Second}, with(syn, ""), with(fin, ""), with(fin, ""), 101*time.Second - 1, 101 * time.Second},
	}
	for _, tt := range tests {
		for _, kind := range allKinds {
			tt.cfg.Kind = kind
			run := func(wait time.Duration) error {
				n := newNAT(t, tt.cfg)
				at := out(t, n, 0, tt.out(alice, server))
				in(t, n, 0, tt.in(server, at))
				const later = 100 * time.Second
				if tt.again != nil {
					out(t, n, later, tt.again(alice, server))
				} else {
					in(t, n, later, tt.in(server, at))
				}
				return n.Inbound(later+wait, tt.in(server, at))
			}
			t.Run(tt.name+" "+kind.String(), func(t *testing.T) {
				if err := run(tt.lives); err != nil {
					t.Errorf("after %v: %v", tt.lives, err)
				}
				if err := run(tt.notAfter); err != nat.NoMapping {
					t.Errorf("after %v: %v, want %v", tt.notAfter, err, nat.NoMapping)
				}
			})
		}
	}
}

// TestPermissionExpires: a mapping that another peer keeps alive does not keep a
// silent peer admitted.
func TestPermissionExpires(t *testing.T) {
	n := newNAT(t, nat.Config{Kind: nat.PortRestricted})
	at := out(t, n, 0, udpPacket(alice, server, "x"))
	for now := time.Duration(0); now <= 119*time.Second; now += time.Second {
		out(t, n, now, udpPacket(alice, other, "x"))
		in(t, n, now, udpPacket(server, at, "x"))
	}
	if err := n.Inbound(120*time.Second, udpPacket(server, at, "x")); err != nat.Filtered {
		t.Errorf("after 120 s: %v, want %v", err, nat.Filtered)
	}
	in(t, n, 120*time.Second, udpPacket(other, at, "x"))
}

func TestPingTimeout(t *testing.T) {
	n := newNAT(t, nat.Config{})
	at := out(t, n, 0, echo(echoRequest, alice, server, 7))
	in(t, n, 59*time.Second, echo(echoReply, server, at, at.Port()))
	if err := n.Inbound(60*time.Second, echo(echoReply, server, at, at.Port())); err != nat.NoMapping {
		t.Errorf("after 60 s: %v", err)
	}
}

func TestRebind(t *testing.T) {
	for _, kind := range allKinds {
		n := newNAT(t, nat.Config{Kind: kind, Seed: 3})
		seen := map[netip.AddrPort]bool{}
		for i := range 1000 {
			at := out(t, n, 0, udpPacket(alice, server, "x"))
			if seen[at] {
				t.Fatalf("%v: %v came again after %d restarts", kind, at, i)
			}
			seen[at] = true
			n.Rebind()
			if err := n.Inbound(0, udpPacket(server, at, "x")); err != nat.NoMapping {
				t.Fatalf("%v: after a restart: %v", kind, err)
			}
		}
		if m := n.Mappings(); len(m) != 0 {
			t.Errorf("%v: %d mappings after a restart", kind, len(m))
		}
	}
}

func TestSetOutside(t *testing.T) {
	n := newNAT(t, nat.Config{})
	at := out(t, n, 0, udpPacket(alice, server, "x"))
	moved := netip.MustParseAddr("192.0.2.77")
	if err := n.SetOutside(moved); err != nil || n.Outside() != moved {
		t.Fatalf("%v, %v", n.Outside(), err)
	}
	if err := n.Inbound(0, udpPacket(server, at, "x")); err != nat.NoMapping {
		t.Errorf("to the old address: %v", err)
	}
	if now := out(t, n, 0, udpPacket(alice, server, "x")); now != netip.AddrPortFrom(moved, at.Port()) {
		t.Errorf("%v became %v", at, now)
	}
	refused := new(nat.ConfigError)
	if err := n.SetOutside(netip.IPv6Loopback()); !errors.As(err, &refused) || n.Outside() != moved {
		t.Errorf("IPv6: %v, now %v", err, n.Outside())
	}
}

func TestHairpin(t *testing.T) {
	t.Run("off", func(t *testing.T) {
		n := newNAT(t, nat.Config{})
		at := out(t, n, 0, udpPacket(alice, server, "x"))
		if _, err := n.Outbound(0, udpPacket(bob, at, "x")); err != nat.NoHairpin {
			t.Errorf("got %v", err)
		}
		if m := n.Mappings(); len(m) != 1 {
			t.Errorf("a refused packet made a mapping: %v", m)
		}
	})
	for _, kind := range allKinds {
		t.Run(kind.String(), func(t *testing.T) {
			n := newNAT(t, nat.Config{Kind: kind, Hairpin: true})
			a := out(t, n, 0, udpPacket(alice, server, "x"))
			b := out(t, n, 0, udpPacket(bob, server, "x"))
			first := udpPacket(alice, b, "hole")
			hairpin, err := n.Outbound(0, first)
			if kind == nat.FullCone {
				if err != nil || !hairpin || from(first) != a || to(first) != bob || !valid(first) {
					t.Fatalf("%v → %v, hairpin %v, %v", from(first), to(first), hairpin, err)
				}
				return
			}
			if err != nat.Filtered || hairpin {
				t.Fatalf("bob has not sent yet: hairpin %v, %v", hairpin, err)
			}
			second := udpPacket(bob, a, "hole")
			switch hairpin, err := n.Outbound(0, second); {
			case kind == nat.Symmetric: // each sees another port than the one it was told
				if err != nat.Filtered {
					t.Errorf("symmetric: %v", err)
				}
			case err != nil || !hairpin || from(second) != b || to(second) != alice || !valid(second):
				t.Errorf("%v → %v, hairpin %v, %v", from(second), to(second), hairpin, err)
			}
		})
	}
	t.Run("ping of the NAT", func(t *testing.T) {
		n := newNAT(t, nat.Config{Hairpin: true})
		p := echo(echoRequest, alice, netip.AddrPortFrom(outside, 0), 7)
		if _, err := n.Outbound(0, p); err != nat.NoMapping || len(n.Mappings()) != 0 {
			t.Errorf("%v, mappings %v", err, n.Mappings())
		}
	})
}

func TestStats(t *testing.T) {
	n := newNAT(t, nat.Config{Hairpin: true})
	at := out(t, n, 0, udpPacket(alice, server, "x"))
	in(t, n, 0, udpPacket(server, at, "x"))
	if _, err := n.Outbound(0, udpPacket(bob, at, "x")); err != nil {
		t.Fatal(err)
	}
	_ = n.Inbound(0, nil)
	want := nat.Stats{Outbound: 1, Inbound: 1, Hairpinned: 1}
	want.Refused[nat.Malformed] = 1
	if got := n.Stats(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestConfig(t *testing.T) {
	tests := []struct {
		field string
		cfg   nat.Config
	}{
		{"Kind", nat.Config{Kind: 4, Outside: outside}},
		{"Kind", nat.Config{Kind: -1, Outside: outside}},
		{"Outside", nat.Config{}},
		{"Outside", nat.Config{Outside: netip.IPv6Loopback()}},
		{"Outside", nat.Config{Outside: netip.MustParseAddr("0.0.0.0")}},
		{"Outside", nat.Config{Outside: netip.MustParseAddr("224.0.0.1")}},
		{"Outside", nat.Config{Outside: netip.MustParseAddr("255.255.255.255")}},
		{"UDPTimeout", nat.Config{Outside: outside, UDPTimeout: -1}},
		{"TCPTimeout", nat.Config{Outside: outside, TCPTimeout: 25 * time.Hour}},
		{"MaxMappings", nat.Config{Outside: outside, MaxMappings: -1}},
		{"MaxMappings", nat.Config{Outside: outside, MaxMappings: 64513}},
	}
	for _, tt := range tests {
		n, err := nat.New(tt.cfg)
		if refused := new(nat.ConfigError); n != nil || !errors.As(err, &refused) || refused.Field != tt.field {
			t.Errorf("%+v: %v, want a ConfigError for %s", tt.cfg, err, tt.field)
		}
	}
}

func TestNames(t *testing.T) {
	for _, kind := range allKinds {
		text, err := kind.MarshalText()
		var back nat.Kind
		if err != nil || back.UnmarshalText(text) != nil || back != kind {
			t.Errorf("%v: %q, %v, back %v", kind, text, err, back)
		}
	}
	kind := nat.Symmetric
	if err := kind.UnmarshalText([]byte("cone")); err == nil || kind != nat.Symmetric || !strings.Contains(err.Error(), "port-restricted") {
		t.Errorf("cone: %v, %v", kind, err)
	}
	if _, err := nat.Kind(9).MarshalText(); err == nil || nat.Kind(9).String() != "Kind(9)" {
		t.Errorf("Kind(9): %v", err)
	}
	seen := map[string]bool{}
	for r := nat.NoMapping; r <= nat.NoHairpin; r++ {
		seen[r.Error()] = true
	}
	if len(seen) != 7 || seen[nat.Refusal(0).Error()] {
		t.Errorf("refusals %v", seen)
	}
}
