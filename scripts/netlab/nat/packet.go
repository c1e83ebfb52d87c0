package nat

import (
	"encoding/binary"
	"net/netip"
)

const (
	protocolICMP = 1
	protocolTCP  = 6
	protocolUDP  = 17

	minIPv4 = 20
	minICMP = 8
	minTCP  = 20
	// minQuoted is how much of its payload an ICMP error quotes at least (RFC
	// 792).
	minQuoted = 8

	ipv4Checksum    = 10
	ipv4Source      = 12
	ipv4Destination = 16
)

// endpoint is an address with a port, or with 0 where there is none.
type endpoint struct {
	addr [4]byte
	port uint16
}

func (e endpoint) addrPort() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(e.addr), e.port)
}

// side is one of the two ends in the header of a packet.
type side int

const (
	source side = iota
	destination
)

// datagram is an IPv4 packet whose headers have been checked.
type datagram struct {
	protocol uint8
	header   []byte // with options
	payload  []byte
}

// parse checks the headers of a packet. A quoted one may end early, but not
// before its ports.
func parse(b []byte, quoted bool) (datagram, error) {
	if len(b) < minIPv4 {
		return datagram{}, Malformed
	}
	switch b[0] >> 4 {
	case 4:
	case 6:
		return datagram{}, Unsupported
	default:
		return datagram{}, Malformed
	}
	size, total := 4*int(b[0]&0xf), int(binary.BigEndian.Uint16(b[2:]))
	if size < minIPv4 || total < size || size > len(b) || (total > len(b) && !quoted) {
		return datagram{}, Malformed
	}
	parts := uint16(0x3fff) // more fragments, and the offset
	if quoted {
		parts = 0x1fff // the first fragment has the ports
	}
	if binary.BigEndian.Uint16(b[6:])&parts != 0 {
		return datagram{}, Fragment
	}
	d := datagram{protocol: b[9], header: b[:size], payload: b[size:min(total, len(b))]}
	least := minQuoted
	switch d.protocol {
	case protocolICMP, protocolUDP:
	case protocolTCP:
		if !quoted {
			least = minTCP
		}
	default:
		return datagram{}, Unsupported
	}
	if len(d.payload) < least {
		return datagram{}, Malformed
	}
	return d, nil
}

// port is the offset of the port, or of the ICMP identifier.
func (d *datagram) port(s side) int {
	if d.protocol == protocolICMP {
		return 4
	}
	return 2 * int(s)
}

// checksum is the part of the payload that holds it; nil if there is none.
func (d *datagram) checksum() []byte {
	var at int
	switch d.protocol {
	case protocolICMP:
		at = 2
	case protocolTCP:
		at = 16
	case protocolUDP:
		at = 6
	}
	if len(d.payload) < at+2 {
		return nil // quoted in part
	}
	field := d.payload[at : at+2]
	if d.protocol == protocolUDP && field[0] == 0 && field[1] == 0 {
		return nil // RFC 768
	}
	return field
}

// inside reads the end that has an inside host's port: for ICMP the one with the
// identifier.
func (d *datagram) inside(s side) endpoint {
	e := endpoint{port: binary.BigEndian.Uint16(d.payload[d.port(s):])}
	copy(e.addr[:], d.address(s))
	return e
}

// remote reads the opposite end, which in ICMP has no port.
func (d *datagram) remote(s side) endpoint {
	if d.protocol == protocolICMP {
		e := endpoint{}
		copy(e.addr[:], d.address(s))
		return e
	}
	return d.inside(s)
}

func (d *datagram) address(s side) []byte {
	at := ipv4Source
	if s == destination {
		at = ipv4Destination
	}
	return d.header[at : at+4]
}

// rewrite changes one end and the checksums that cover it.
func (d *datagram) rewrite(s side, e endpoint) {
	port := d.payload[d.port(s):][:2]
	portBefore := sum(port)
	binary.BigEndian.PutUint16(port, e.port)
	before, after := d.rewriteAddress(s, e.addr)
	field := d.checksum()
	if field == nil {
		return
	}
	if d.protocol == protocolICMP {
		before, after = 0, 0 // no pseudo-header
	}
	adjust(field, fold(before+portBefore), fold(after+sum(port)))
	if d.protocol == protocolUDP && field[0] == 0 && field[1] == 0 {
		field[0], field[1] = 0xff, 0xff // RFC 768: 0 would say that there is none
	}
}

// rewriteAddress changes one address and the header checksum. It returns what
// the address summed up to before and after.
func (d *datagram) rewriteAddress(s side, addr [4]byte) (before, after uint32) {
	field := d.address(s)
	before = sum(field)
	copy(field, addr[:])
	after = sum(field)
	adjust(d.header[ipv4Checksum:][:2], before, after)
	return before, after
}
