package netlab

import (
	"fmt"
	"maps"
	"net/netip"
	"sync/atomic"
)

// Network is a routed segment to which hosts and NATs are joined by their
// links. It has no delay or loss of its own. Networks that are not behind a NAT
// reach each other.
type Network struct {
	lab     *Lab
	name    string
	realm   *realm
	v4, v6  netip.Prefix // invalid: the network lacks the family
	pmtud   bool
	next    int  // the number of the last address given
	gateway *NAT // that leads out; nil at the top
}

// NetworkOption is a setting of [Lab.Network] and [Network.NAT].
type NetworkOption func(*Network)

// V4Only makes a network without IPv6.
func V4Only() NetworkOption { return func(n *Network) { n.v6 = netip.Prefix{} } }

// V6Only makes a network without IPv4.
func V6Only() NetworkOption { return func(n *Network) { n.v4 = netip.Prefix{} } }

// Prefix replaces the default prefix of its family: 198.18.N.0/24 (the
// benchmarking range of RFC 2544) and 2001:db8:N::/64 (documentation, RFC 3849)
// for the N-th network, 10.N.0.0/24 behind a NAT. It must have room for four
// addresses and overlap no other in reach.
func Prefix(p netip.Prefix) NetworkOption {
	return func(n *Network) {
		if p.Addr().Is4() {
			n.v4 = p.Masked()
		} else {
			n.v6 = p.Masked()
		}
	}
}

// PMTUD makes routers answer packets that are larger than the MTU of a link of
// this network with an ICMP error, so that path MTU discovery works. Without it
// such packets vanish.
func PMTUD() NetworkOption { return func(n *Network) { n.pmtud = true } }

// Name returns the name.
func (n *Network) Name() string { return n.name }

// Network adds a network that is reached from every other such network.
func (lab *Lab) Network(name string, options ...NetworkOption) *Network {
	lab.helper()
	lab.mu.Lock()
	defer lab.mu.Unlock()
	number := len(lab.networks) + 1
	n := &Network{
		lab: lab, name: name, realm: lab.core,
		v4: netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(number), 0}), 24),
		v6: netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, byte(number)}), 64),
	}
	lab.fatal(lab.join(n, options))
	return n
}

// join adds a network to the lab. The caller holds lab.mu.
func (lab *Lab) join(n *Network, options []NetworkOption) error {
	for _, o := range options {
		o(n)
	}
	if !n.v4.IsValid() && !n.v6.IsValid() {
		return fmt.Errorf("add network %s: neither IPv4 nor IPv6", n.name)
	}
	for _, p := range []netip.Prefix{n.v4, n.v6} {
		if p.IsValid() && p.Addr().BitLen()-p.Bits() < 2 {
			return fmt.Errorf("add network %s: prefix %s has no room for hosts: want /30 or /126 at most", n.name, p)
		}
		if p.IsValid() && !p.Addr().IsGlobalUnicast() {
			return fmt.Errorf("add network %s: prefix %s is not of unicast addresses", n.name, p)
		}
	}
	for _, other := range lab.networks {
		if other.name == n.name {
			return fmt.Errorf("add network %s: the name is taken", n.name)
		}
		if other.realm == n.realm && (n.v4.Overlaps(other.v4) || n.v6.Overlaps(other.v6)) {
			return fmt.Errorf("add network %s: its prefix overlaps that of %s", n.name, other.name)
		}
	}
	n.next = 1 // the router
	lab.networks = append(lab.networks, n)
	return nil
}

func (n *Network) router(v4 bool) netip.Addr {
	if v4 && n.v4.IsValid() {
		return n.v4.Addr().Next()
	}
	if !v4 && n.v6.IsValid() {
		return n.v6.Addr().Next()
	}
	return netip.Addr{}
}

// addresses takes the next free addresses, one a family. The caller holds lab.mu.
func (n *Network) addresses() (v4, v6 netip.Addr, err error) {
	last := 1<<16 - 1
	for _, p := range []netip.Prefix{n.v4, n.v6} {
		if free := p.Addr().BitLen() - p.Bits(); p.IsValid() && free < 16 {
			last = min(last, 1<<free-2)
		}
	}
	for range last {
		if n.next++; n.next > last {
			n.next = 2
		}
		v4, v6 = nth(n.v4, n.next), nth(n.v6, n.next)
		if !n.realm.has(v4) && !n.realm.has(v6) {
			return v4, v6, nil
		}
	}
	return v4, v6, fmt.Errorf("network %s has no address left", n.name)
}

// nth is the address number i of p, which is below 65536.
func nth(p netip.Prefix, i int) netip.Addr {
	if !p.IsValid() {
		return netip.Addr{}
	}
	b := p.Addr().AsSlice()
	b[len(b)-2] += byte(i >> 8)
	b[len(b)-1] += byte(i)
	a, _ := netip.AddrFromSlice(b)
	return a
}

// realm is a set of networks that reach each other without a NAT.
type realm struct {
	lab   *Lab
	table atomic.Pointer[map[netip.Addr]*line] // replaced under lab.mu, never changed
	nat   *NAT                                 // the way to all other addresses; nil at the top
}

func newRealm(lab *Lab) *realm {
	r := &realm{lab: lab}
	r.table.Store(&map[netip.Addr]*line{})
	return r
}

func (r *realm) has(a netip.Addr) bool {
	_, ok := (*r.table.Load())[a]
	return ok
}

// change takes addresses out of the table and puts others in, at one moment.
func (r *realm) change(remove, add []netip.Addr, to *line) {
	table := maps.Clone(*r.table.Load())
	for _, a := range remove {
		delete(table, a)
	}
	for _, a := range add {
		table[a] = to
	}
	r.table.Store(&table)
}

// route sends a packet to the one who has its destination, or out by the NAT.
func (r *realm) route(p *packet) {
	p.in = r
	if l, ok := (*r.table.Load())[p.dst]; ok {
		l.send(p)
		return
	}
	if r.nat != nil {
		r.nat.outbound(p)
		return
	}
	r.lab.drop(p, &r.lab.stats.unroutable)
}

// deliver sends a packet to the one who has its destination.
func (r *realm) deliver(p *packet) {
	p.in = r
	if l, ok := (*r.table.Load())[p.dst]; ok {
		l.send(p)
		return
	}
	r.lab.drop(p, &r.lab.stats.unroutable)
}
