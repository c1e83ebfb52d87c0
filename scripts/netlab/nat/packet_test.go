package nat_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab/nat"
)

const (
	icmp = 1
	tcp  = 6
	udp  = 17

	syn, ack, fin, rst = 2, 16, 1, 4

	echoReply, unreachable, echoRequest, timeExceeded = 0, 3, 8, 11
)

var (
	outside = netip.MustParseAddr("192.0.2.1")
	alice   = ap("10.0.0.2:5000")
	bob     = ap("10.0.0.3:5000")
	server  = ap("198.51.100.1:443")
	other   = ap("203.0.113.9:443")
)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// ip returns an IPv4 packet with the given header options and valid checksums;
// the checksum field of the payload must be zero.
func ip(protocol byte, src, dst netip.Addr, payload []byte, options ...byte) []byte {
	size := 20 + len(options)
	p := make([]byte, size, size+len(payload))
	p[0], p[8], p[9] = 0x40|byte(size/4), 64, protocol
	binary.BigEndian.PutUint16(p[2:], uint16(size+len(payload)))
	copy(p[12:], src.AsSlice())
	copy(p[16:], dst.AsSlice())
	copy(p[20:], options)
	p = append(p, payload...)
	repair(p)
	return p
}

func udpPacket(src, dst netip.AddrPort, data string) []byte {
	b := make([]byte, 8, 8+len(data))
	ports(b, src, dst)
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(data)))
	return ip(udp, src.Addr(), dst.Addr(), append(b, data...))
}

func tcpPacket(src, dst netip.AddrPort, flags byte, data string) []byte {
	b := make([]byte, 20, 20+len(data))
	ports(b, src, dst)
	b[12], b[13] = 5<<4, flags
	return ip(tcp, src.Addr(), dst.Addr(), append(b, data...))
}

// echo takes the identifier from the port of the end that is inside.
func echo(kind byte, src, dst netip.AddrPort, id uint16) []byte {
	b := []byte{kind, 0, 0, 0, 0, 0, 0, 1, 'p', 'i', 'n', 'g', '!'}
	binary.BigEndian.PutUint16(b[4:], id)
	return ip(icmp, src.Addr(), dst.Addr(), b)
}

func icmpError(kind byte, src, dst netip.Addr, quoted []byte) []byte {
	return ip(icmp, src, dst, append([]byte{kind, 1, 0, 0, 0, 0, 0, 0}, quoted...))
}

func ports(b []byte, src, dst netip.AddrPort) {
	binary.BigEndian.PutUint16(b[0:], src.Port())
	binary.BigEndian.PutUint16(b[2:], dst.Port())
}

func from(p []byte) netip.AddrPort { return end(p, 12, 0) }
func to(p []byte) netip.AddrPort   { return end(p, 16, 2) }

func end(p []byte, addr, port int) netip.AddrPort {
	l4 := p[4*int(p[0]&15):]
	if p[9] == icmp {
		port = 4
	}
	a, _ := netip.AddrFromSlice(p[addr : addr+4])
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(l4[port:]))
}

// check is the Internet checksum over all of b: 0 if the field in b is right.
func check(b ...[]byte) uint16 {
	s := uint64(0)
	for _, b := range b {
		for i, v := range b {
			s += uint64(v) << (8 * (1 - i%2))
		}
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

// field returns the payload, its pseudo-header, and where its checksum is.
func field(p []byte) (l4, pseudo []byte, at int) {
	l4 = p[4*int(p[0]&15) : binary.BigEndian.Uint16(p[2:])]
	if p[9] == icmp {
		return l4, nil, 2
	}
	pseudo = append(append([]byte{}, p[12:20]...), 0, p[9], byte(len(l4)>>8), byte(len(l4)))
	if p[9] == tcp {
		return l4, pseudo, 16
	}
	return l4, pseudo, 6
}

// repair sets the checksums of a well-formed packet.
func repair(p []byte) {
	header := p[:4*int(p[0]&15)]
	header[10], header[11] = 0, 0
	binary.BigEndian.PutUint16(header[10:], check(header))
	l4, pseudo, at := field(p)
	l4[at], l4[at+1] = 0, 0
	sum := check(pseudo, l4)
	if p[9] == udp && sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(l4[at:], sum)
}

func valid(p []byte) bool {
	l4, pseudo, at := field(p)
	if p[9] == udp && l4[at] == 0 && l4[at+1] == 0 {
		return check(p[:4*int(p[0]&15)]) == 0
	}
	return check(p[:4*int(p[0]&15)]) == 0 && check(pseudo, l4) == 0
}

func newNAT(t testing.TB, cfg nat.Config) *nat.NAT {
	t.Helper()
	if !cfg.Outside.IsValid() {
		cfg.Outside = outside
	}
	n, err := nat.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// out sends a packet that must pass and returns its new source.
func out(t testing.TB, n *nat.NAT, now time.Duration, p []byte) netip.AddrPort {
	t.Helper()
	hairpin, err := n.Outbound(now, p)
	if err != nil || hairpin {
		t.Fatalf("outbound: hairpin %v, %v", hairpin, err)
	}
	if !valid(p) {
		t.Fatalf("outbound: checksums are wrong: %x", p)
	}
	return from(p)
}

// in sends a packet that must pass and returns its new destination.
func in(t testing.TB, n *nat.NAT, now time.Duration, p []byte) netip.AddrPort {
	t.Helper()
	if err := n.Inbound(now, p); err != nil {
		t.Fatalf("inbound: %v", err)
	}
	if !valid(p) {
		t.Fatalf("inbound: checksums are wrong: %x", p)
	}
	return to(p)
}
