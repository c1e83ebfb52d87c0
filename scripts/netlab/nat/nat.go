package nat

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// NAT translates the packets between one inside and one outside. It is made by
// [New] and not safe for concurrent use.
//
// In its methods now must not decrease; one before that of an earlier call
// counts as that earlier one. A packet is changed only if it passes, except that
// one which hairpins may be refused halfway: drop it.
type NAT struct {
	cfg     Config
	outside [4]byte
	now     time.Duration
	table   table
	stats   Stats
}

// Stats counts packets since a [NAT] was made.
type Stats struct {
	Outbound   uint64           // passed to the outside
	Inbound    uint64           // passed to the inside
	Hairpinned uint64           // from inside to inside
	Refused    [refusals]uint64 // indexed by Refusal
}

// Mapping is what inbound packets to Outside are translated by.
type Mapping struct {
	Protocol uint8 // of IP: 17 UDP, 6 TCP, 1 ICMP, where a port is an identifier
	Inside   netip.AddrPort
	Outside  netip.AddrPort
	Remote   netip.AddrPort // zero unless the NAT is Symmetric
	Peers    int            // how many remote ends were sent to, where the Kind counts them
	Used     time.Duration  // the moment that its timeout runs from
}

// New returns a NAT without mappings, or a [*ConfigError].
func New(cfg Config) (*NAT, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &NAT{cfg: cfg, outside: cfg.Outside.As4()}
	n.table = newTable(&n.cfg)
	return n, nil
}

// Outbound translates a packet from the inside in place, or returns a [Refusal].
// If hairpin is true, the packet now has an inside host as its destination and
// goes back to the inside.
func (n *NAT) Outbound(now time.Duration, packet []byte) (hairpin bool, err error) {
	n.now = max(n.now, now)
	d, err := parse(packet, false)
	if err == nil {
		hairpin = [4]byte(d.address(destination)) == n.outside
		err = n.outbound(&d, hairpin)
	}
	switch {
	case err != nil:
		return false, n.refuse(err)
	case hairpin:
		n.stats.Hairpinned++
	default:
		n.stats.Outbound++
	}
	return hairpin, nil
}

// Inbound translates a packet from the outside in place, or returns a [Refusal].
func (n *NAT) Inbound(now time.Duration, packet []byte) error {
	n.now = max(n.now, now)
	d, err := parse(packet, false)
	if err == nil {
		err = n.inbound(&d)
	}
	if err != nil {
		return n.refuse(err)
	}
	n.stats.Inbound++
	return nil
}

func (n *NAT) refuse(err error) error {
	if r, ok := err.(Refusal); ok {
		n.stats.Refused[r]++
	}
	return err
}

func (n *NAT) outbound(d *datagram, hairpin bool) error {
	if hairpin && !n.cfg.Hairpin {
		return NoHairpin
	}
	if d.protocol == protocolICMP {
		switch role := icmpRole(d.payload); {
		case role == icmpRequest && hairpin:
			return NoMapping // a ping of the NAT itself
		case role == icmpRequest:
		case role == icmpError:
			if err := n.outboundError(d); err != nil || !hairpin {
				return err
			}
			return n.inboundError(d)
		default:
			return Unsupported
		}
	}
	remote := d.remote(destination)
	m, err := n.table.open(d.protocol, d.inside(source), remote, n.now)
	if err != nil {
		return err
	}
	m.watch(d, false)
	d.rewrite(source, endpoint{n.outside, m.port})
	if !hairpin {
		return nil
	}
	return n.inbound(d)
}

func (n *NAT) inbound(d *datagram) error {
	if [4]byte(d.address(destination)) != n.outside {
		return NoMapping
	}
	if d.protocol == protocolICMP {
		switch icmpRole(d.payload) {
		case icmpReply:
		case icmpRequest:
			return NoMapping
		case icmpError:
			return n.inboundError(d)
		default:
			return Unsupported
		}
	}
	m, remote := n.table.byOutlet(d.protocol, d.inside(destination).port, n.now), d.remote(source)
	switch {
	case m == nil:
		return NoMapping
	case !n.table.admitted(m, remote, n.now):
		return Filtered
	}
	m.watch(d, true)
	if n.cfg.InboundRefresh || d.protocol == protocolTCP {
		n.table.refresh(m, remote, n.now)
	}
	d.rewrite(destination, m.flow.inside)
	return nil
}

// watch follows a TCP connection as far as the timeout depends on it.
func (m *mapping) watch(d *datagram, inbound bool) {
	const fin, syn, rst = 1, 2, 4
	if d.protocol != protocolTCP {
		return
	}
	flags, header := d.payload[13], 4*int(d.payload[12]>>4)
	switch {
	case flags&(fin|rst) != 0:
		m.brief = true
	case len(d.payload) > header, inbound && flags&syn != 0:
		m.brief = false
	}
}

// Rebind forgets all mappings, as a NAT does that restarts. What is sent next
// gets other ports.
func (n *NAT) Rebind() { n.table.clear() }

// SetOutside gives the NAT another outside address, or returns a
// [*ConfigError]. The mappings keep their ports; call Rebind too for a router
// that loses both.
func (n *NAT) SetOutside(a netip.Addr) error {
	if err := checkOutside(a); err != nil {
		return err
	}
	n.cfg.Outside, n.outside = a, a.As4()
	return nil
}

// Outside returns the outside address.
func (n *NAT) Outside() netip.Addr { return n.cfg.Outside }

// Stats returns the counters.
func (n *NAT) Stats() Stats { return n.stats }

// Mappings returns those that have not expired at the latest moment that the NAT
// was told, sorted by protocol and outside port.
func (n *NAT) Mappings() []Mapping {
	var all []Mapping
	for _, m := range n.table.flows {
		if n.now-m.used >= n.table.lifetime(m) {
			continue
		}
		v := Mapping{
			Protocol: m.flow.protocol,
			Inside:   m.flow.inside.addrPort(),
			Outside:  endpoint{n.outside, m.port}.addrPort(),
			Peers:    len(m.peers),
			Used:     m.used,
		}
		if n.cfg.Kind == Symmetric {
			v.Remote = m.flow.remote.addrPort()
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b Mapping) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Outside.Port(), b.Outside.Port()))
	})
	return all
}
