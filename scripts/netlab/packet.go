package netlab

import (
	"encoding/binary"
	"net/netip"
)

const (
	protoICMP   = 1
	protoICMPv6 = 58
)

// packet is one IP packet on its way. Whoever holds it passes it on or frees it.
type packet struct {
	data []byte // the packet, at the start of buf
	buf  []byte
	src  netip.Addr
	dst  netip.Addr
	in   *realm // where it travels
}

// parse reads the addresses. It reports false for what is no unicast IP packet
// between routable addresses: kernels send such packets on their own, and what
// they send must not use up the random numbers of a link.
func (p *packet) parse() bool {
	d := p.data
	switch {
	case len(d) >= 20 && d[0]>>4 == 4:
		p.src, p.dst = netip.AddrFrom4([4]byte(d[12:16])), netip.AddrFrom4([4]byte(d[16:20]))
	case len(d) >= 40 && d[0]>>4 == 6:
		p.src, p.dst = netip.AddrFrom16([16]byte(d[8:24])), netip.AddrFrom16([16]byte(d[24:40]))
	default:
		return false
	}
	return p.src.IsGlobalUnicast() && p.dst.IsGlobalUnicast()
}

// tooBig writes into q the ICMP error that a router with address from sends for
// p (RFC 1191 section 4, RFC 4443 section 3.2). It reports false where none may
// be sent: for an ICMP error, and for a fragment that is not the first.
func (p *packet) tooBig(q *packet, from netip.Addr, mtu int) bool {
	if p.src.BitLen() != from.BitLen() || !p.mayBeAnswered() {
		return false
	}
	if p.src.Is4() {
		p.tooBig4(q, from, mtu)
	} else {
		p.tooBig6(q, from, mtu)
	}
	q.src, q.dst, q.in = from, p.src, p.in
	return true
}

func (p *packet) mayBeAnswered() bool {
	d := p.data
	if p.src.Is6() {
		return d[6] != protoICMPv6 || len(d) < 41 || d[40]&0x80 != 0
	}
	if binary.BigEndian.Uint16(d[6:])&0x1fff != 0 {
		return false
	}
	header := int(d[0]&15) * 4
	if d[9] != protoICMP || len(d) <= header {
		return true
	}
	kind := d[header]
	return kind == 0 || kind == 8
}

func (p *packet) tooBig4(q *packet, from netip.Addr, mtu int) {
	quote := min(len(p.data), 548)
	q.data = q.buf[:28+quote]
	d := q.data
	clear(d[:28])
	d[0], d[8], d[9] = 0x45, 64, protoICMP
	binary.BigEndian.PutUint16(d[2:], uint16(len(d)))
	copy(d[12:], from.AsSlice())
	copy(d[16:], p.src.AsSlice())
	binary.BigEndian.PutUint16(d[10:], checksum(0, d[:20]))
	d[20], d[21] = 3, 4
	binary.BigEndian.PutUint16(d[26:], uint16(min(mtu, 0xffff)))
	copy(d[28:], p.data[:quote])
	binary.BigEndian.PutUint16(d[22:], checksum(0, d[20:]))
}

func (p *packet) tooBig6(q *packet, from netip.Addr, mtu int) {
	quote := min(len(p.data), 1232)
	q.data = q.buf[:48+quote]
	d := q.data
	clear(d[:48])
	d[0], d[6], d[7] = 0x60, protoICMPv6, 64
	binary.BigEndian.PutUint16(d[4:], uint16(8+quote))
	copy(d[8:], from.AsSlice())
	copy(d[24:], p.src.AsSlice())
	d[40] = 2
	binary.BigEndian.PutUint32(d[44:], uint32(mtu))
	copy(d[48:], p.data[:quote])
	pseudo := uint32(8+quote) + protoICMPv6
	for i := 8; i < 40; i += 2 {
		pseudo += uint32(binary.BigEndian.Uint16(d[i:]))
	}
	binary.BigEndian.PutUint16(d[42:], checksum(pseudo, d[40:]))
}

// checksum is the one of RFC 1071, started with sum.
func checksum(sum uint32, b []byte) uint16 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
