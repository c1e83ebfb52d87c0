package netlab

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

var (
	routerV4 = netip.MustParseAddr("192.0.2.1")
	routerV6 = netip.MustParseAddr("2001:db8::1")
)

func v4(protocol byte, payload int) []byte {
	b := make([]byte, 20+payload)
	b[0], b[8], b[9] = 0x45, 64, protocol
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], []byte{198, 18, 1, 2, 198, 18, 1, 3})
	return b
}

func v6(next byte, payload int) []byte {
	b := make([]byte, 40+payload)
	b[0], b[6], b[7] = 0x60, next, 64
	binary.BigEndian.PutUint16(b[4:], uint16(payload))
	copy(b[8:], netip.MustParseAddr("2001:db8::2").AsSlice())
	copy(b[24:], netip.MustParseAddr("2001:db8::3").AsSlice())
	return b
}

func with(b []byte, i int, v byte) []byte { b[i] = v; return b }

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name string
		data []byte
		want bool
	}{
		{"IPv4", v4(17, 8), true},
		{"IPv6", v6(17, 8), true},
		{"empty", nil, false},
		{"short IPv4", v4(17, 0)[:19], false},
		{"short IPv6", v6(17, 0)[:39], false},
		{"version 5", with(v4(17, 8), 0, 0x55), false},
		{"to a group, IPv4", with(v4(17, 8), 16, 224), false},
		{"to a group, IPv6", with(v6(17, 8), 24, 0xff), false},
		{"from a link-local address", with(with(v6(58, 8), 8, 0xfe), 9, 0x80), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &packet{data: tt.data}
			if got := p.parse(); got != tt.want {
				t.Errorf("parse: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestTooBig(t *testing.T) {
	for _, tt := range []struct {
		name string
		data []byte
		want bool
	}{
		{"UDP over IPv4", v4(17, 1400), true},
		{"UDP over IPv6", v6(17, 1400), true},
		{"echo request", with(v4(1, 1400), 20, 8), true},
		{"echo request over IPv6", with(v6(58, 1400), 40, 128), true},
		{"ICMP error", with(v4(1, 1400), 20, 3), false},
		{"ICMPv6 error", with(v6(58, 1400), 40, 1), false},
		{"later fragment", with(v4(17, 1400), 7, 5), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, q := &packet{data: tt.data}, &packet{buf: make([]byte, 1500)}
			p.parse()
			from := routerV4
			if p.src.Is6() {
				from = routerV6
			}
			if got := p.tooBig(q, from, 1300); got != tt.want {
				t.Fatalf("tooBig: %v, want %v", got, tt.want)
			}
			if tt.want {
				checkTooBig(t, p, q, 1300)
			}
			if p.tooBig(q, netip.Addr{}, 1300) {
				t.Error("an error from nobody")
			}
		})
	}
}

// checkTooBig reads the error as RFC 1191 and RFC 4443 describe it.
func checkTooBig(t *testing.T, p, q *packet, mtu uint32) {
	t.Helper()
	d := q.data
	if p.src.Is4() {
		if checksum(0, d[:20]) != 0 || checksum(0, d[20:]) != 0 || int(binary.BigEndian.Uint16(d[2:])) != len(d) {
			t.Error("a checksum or the length is wrong")
		}
		if d[9] != 1 || d[20] != 3 || d[21] != 4 || binary.BigEndian.Uint32(d[24:]) != mtu {
			t.Errorf("header % x", d[:28])
		}
	} else {
		pseudo := uint32(len(d)-40) + 58
		for i := 8; i < 40; i += 2 {
			pseudo += uint32(binary.BigEndian.Uint16(d[i:]))
		}
		if checksum(pseudo, d[40:]) != 0 || int(binary.BigEndian.Uint16(d[4:])) != len(d)-40 || len(d) > 1280 {
			t.Error("the checksum or the length is wrong")
		}
		if d[6] != 58 || d[40] != 2 || d[41] != 0 || binary.BigEndian.Uint32(d[44:]) != mtu {
			t.Errorf("header % x", d[:48])
		}
	}
	dst := q.dst
	if !q.parse() || dst != p.src || q.dst != dst {
		t.Errorf("from %s to %s", q.src, q.dst)
	}
}

// FuzzTooBig: no packet makes it panic, and every answer is well formed.
func FuzzTooBig(f *testing.F) {
	f.Add(v4(17, 100))
	f.Add(v6(58, 100))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 65535 {
			return
		}
		p, q := &packet{data: data}, &packet{buf: make([]byte, 1500)}
		if !p.parse() {
			return
		}
		from := routerV4
		if p.src.Is6() {
			from = routerV6
		}
		if p.tooBig(q, from, 1280) {
			checkTooBig(t, p, q, 1280)
		}
	})
}
