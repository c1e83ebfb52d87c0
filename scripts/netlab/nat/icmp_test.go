package nat_test

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/alkdev/alknet/scripts/netlab/nat"
)

var router = netip.MustParseAddr("203.0.113.254")

// TestInboundError: a router answers an outbound packet with an error; the
// inside host sees its own packet quoted, byte by byte.
func TestInboundError(t *testing.T) {
	bare := udpPacket(alice, server, "no checksum")
	bare[26], bare[27] = 0, 0
	tests := []struct {
		name   string
		packet []byte
		quote  int // bytes of the packet; 0: all
	}{
		{"UDP", udpPacket(alice, server, "some data"), 0},
		{"UDP, headers only", udpPacket(alice, server, "some data"), 28},
		{"UDP, odd", udpPacket(alice, server, "some data"), 31},
		{"UDP without checksum", bare, 0},
		{"TCP", tcpPacket(alice, server, ack, "some data"), 0},
		{"TCP, eight bytes", tcpPacket(alice, server, ack, "some data"), 28},
		{"TCP, up to the checksum", tcpPacket(alice, server, ack, "some data"), 36},
		{"ping", echo(echoRequest, alice, server, 7), 0},
		{"with options", ip(udp, alice.Addr(), server.Addr(), udpPacket(alice, server, "x")[20:], 1, 1, 1, 0), 0},
	}
	for _, tt := range tests {
		for _, kind := range allKinds {
			t.Run(tt.name+" "+kind.String(), func(t *testing.T) {
				n := newNAT(t, nat.Config{Kind: kind})
				quote := tt.quote
				if quote == 0 {
					quote = len(tt.packet)
				}
				sent := slices.Clone(tt.packet)
				out(t, n, 0, sent)
				got := icmpError(timeExceeded, router, outside, sent[:quote])
				want := icmpError(timeExceeded, router, alice.Addr(), tt.packet[:quote])
				in(t, n, 0, got)
				if !bytes.Equal(got, want) {
					t.Errorf("got  %x\nwant %x", got, want)
				}
			})
		}
	}
}

// TestOutboundError: an inside host answers an inbound packet with an error; the
// sender sees its own packet quoted.
func TestOutboundError(t *testing.T) {
	for _, kind := range allKinds {
		n := newNAT(t, nat.Config{Kind: kind})
		at := out(t, n, 0, udpPacket(alice, server, "x"))
		received := udpPacket(server, at, "some data")
		sent := slices.Clone(received)
		in(t, n, 0, received)
		got := icmpError(unreachable, alice.Addr(), server.Addr(), received)
		want := icmpError(unreachable, outside, server.Addr(), sent)
		if _, err := n.Outbound(0, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: %v\ngot  %x\nwant %x", kind, err, got, want)
		}
	}
}

// TestHairpinError: bob answers a packet that came from alice through the NAT.
func TestHairpinError(t *testing.T) {
	n := newNAT(t, nat.Config{Hairpin: true})
	b := out(t, n, 0, udpPacket(bob, server, "x"))
	sent := udpPacket(alice, b, "some data")
	received := slices.Clone(sent)
	if hairpin, err := n.Outbound(0, received); !hairpin || err != nil {
		t.Fatal(hairpin, err)
	}
	got := icmpError(unreachable, bob.Addr(), outside, received)
	want := icmpError(unreachable, outside, alice.Addr(), sent)
	if hairpin, err := n.Outbound(0, got); !hairpin || err != nil || !bytes.Equal(got, want) {
		t.Errorf("hairpin %v, %v\ngot  %x\nwant %x", hairpin, err, got, want)
	}
}

func TestErrorsRefused(t *testing.T) {
	n := newNAT(t, nat.Config{Kind: nat.PortRestricted})
	at := out(t, n, 0, udpPacket(alice, server, "x"))
	wrongPort := netip.AddrPortFrom(outside, at.Port()+1)
	tests := []struct {
		name   string
		quoted []byte
		want   error
	}{
		{"known flow", udpPacket(at, server, "x"), nil},
		{"to a peer that was never sent to", udpPacket(at, other, "x"), nat.Filtered},
		{"from another port", udpPacket(wrongPort, server, "x"), nat.NoMapping},
		{"from another address", udpPacket(netip.AddrPortFrom(other.Addr(), at.Port()), server, "x"), nat.NoMapping},
		{"of another protocol", tcpPacket(at, server, ack, "x"), nat.NoMapping},
		{"about an error", icmpError(unreachable, outside, server.Addr(), udpPacket(at, server, "x")), nat.Unsupported},
		{"about a later fragment", laterFragment(udpPacket(at, server, "x")), nat.Fragment},
		{"about a first fragment", firstFragment(udpPacket(at, server, "x")), nil},
		{"quotes too little", udpPacket(at, server, "x")[:27], nat.Malformed},
		{"quotes half a header", append([]byte{0x4f, 0, 0, 100}, udpPacket(at, server, "x")[4:]...), nat.Malformed},
		{"quotes nothing", nil, nat.Malformed},
		{"quotes IPv6", append([]byte{0x60}, make([]byte, 60)...), nat.Unsupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := n.Inbound(0, icmpError(unreachable, router, outside, tt.quoted)); err != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	stray := icmpError(unreachable, alice.Addr(), server.Addr(), udpPacket(server, bob, "x"))
	if _, err := n.Outbound(0, stray); err != nat.NoMapping {
		t.Errorf("outbound about an unknown flow: %v", err)
	}
}

func laterFragment(p []byte) []byte {
	p[7] = 1
	return p
}

func firstFragment(p []byte) []byte {
	p[6] = 0x20
	return p
}

func TestRefused(t *testing.T) {
	u := udpPacket(alice, server, "x")
	change := func(at int, v byte) []byte {
		p := slices.Clone(u)
		p[at] = v
		return p
	}
	tests := []struct {
		name   string
		packet []byte
		want   error
	}{
		{"empty", nil, nat.Malformed},
		{"no IP", change(0, 0x15), nat.Malformed},
		{"IPv6", change(0, 0x65), nat.Unsupported},
		{"header too short", change(0, 0x44), nat.Malformed},
		{"header longer than packet", change(0, 0x4f), nat.Malformed},
		{"total length above packet", change(3, byte(len(u)+1)), nat.Malformed},
		{"total length below header", change(3, 19), nat.Malformed},
		{"no room for UDP", change(3, 27), nat.Malformed},
		{"no room for TCP", ip(tcp, alice.Addr(), server.Addr(), make([]byte, 20))[:39], nat.Malformed},
		{"first fragment", firstFragment(slices.Clone(u)), nat.Fragment},
		{"later fragment", laterFragment(slices.Clone(u)), nat.Fragment},
		{"SCTP", change(9, 132), nat.Unsupported},
		{"timestamp request", ip(icmp, alice.Addr(), server.Addr(), append([]byte{13}, make([]byte, 19)...)), nat.Unsupported},
		{"redirect", icmpError(5, alice.Addr(), server.Addr(), u), nat.Unsupported},
		{"do not fragment", change(6, 0x40), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.packet)
			n := newNAT(t, nat.Config{})
			_, err := n.Outbound(0, tt.packet)
			if err != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err != nil && !bytes.Equal(tt.packet, before) {
				t.Error("a refused packet was changed")
			}
			if err := n.Inbound(0, before); err == nil {
				t.Error("passes inbound")
			}
		})
	}
	n := newNAT(t, nat.Config{})
	if _, err := n.Outbound(0, echo(echoReply, alice, server, 7)); err != nat.Unsupported {
		t.Errorf("outbound echo reply: %v", err)
	}
	at := out(t, n, 0, echo(echoRequest, alice, server, 7))
	if err := n.Inbound(0, echo(echoRequest, server, at, at.Port())); err != nat.NoMapping {
		t.Errorf("inbound echo request: %v", err)
	}
}
