package nat

// role is what an ICMP message is to a NAT.
type role int

const (
	icmpOther role = iota
	icmpRequest
	icmpReply
	icmpError
)

func icmpRole(message []byte) role {
	switch message[0] {
	case 0:
		return icmpReply
	case 8:
		return icmpRequest
	case 3, 11, 12: // RFC 792: unreachable, time exceeded, parameter problem
		return icmpError
	}
	return icmpOther
}

// outboundError translates an error that an inside host sent about a packet
// which the NAT had let in (RFC 5508 §4.2).
func (n *NAT) outboundError(d *datagram) error {
	q, err := quoted(d)
	if err != nil {
		return err
	}
	m := n.table.byFlow(q.protocol, q.inside(destination), q.remote(source), n.now)
	if m == nil {
		return NoMapping
	}
	rewriteQuoted(d, &q, destination, endpoint{n.outside, m.port})
	d.rewriteAddress(source, n.outside)
	return nil
}

// inboundError translates an error that somebody outside sent about a packet
// which the NAT had let out (RFC 5508 §4.1). The error may come from any router,
// the packet that it quotes must have gone to an admitted peer.
func (n *NAT) inboundError(d *datagram) error {
	q, err := quoted(d)
	if err != nil {
		return err
	}
	if [4]byte(q.address(source)) != n.outside {
		return NoMapping
	}
	m := n.table.byOutlet(q.protocol, q.inside(source).port, n.now)
	switch {
	case m == nil:
		return NoMapping
	case !n.table.admitted(m, q.remote(destination), n.now):
		return Filtered
	}
	rewriteQuoted(d, &q, source, m.flow.inside)
	d.rewriteAddress(destination, m.flow.inside.addr)
	return nil
}

// quoted parses the packet in an ICMP error. An error about an ICMP error is
// none of ours (RFC 1122 §3.2.2).
func quoted(d *datagram) (datagram, error) {
	q, err := parse(d.payload[minICMP:], true)
	if err != nil {
		return datagram{}, err
	}
	if q.protocol == protocolICMP {
		if r := icmpRole(q.payload); r != icmpRequest && r != icmpReply {
			return datagram{}, Unsupported
		}
	}
	return q, nil
}

// rewriteQuoted rewrites one end of the quoted packet; the checksum of the error
// covers all of it.
func rewriteQuoted(d, q *datagram, s side, e endpoint) {
	message := d.payload[minICMP:]
	changed := message[:min(len(message), len(q.header)+minTCP)]
	before := sum(changed)
	q.rewrite(s, e)
	adjust(d.checksum(), before, sum(changed))
}
