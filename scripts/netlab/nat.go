package netlab

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/alkdev/alknet/scripts/netlab/nat"
)

// NAT is the router that translates between a network inside and the one it is
// joined to.
type NAT struct {
	lab     *Lab
	name    string
	inside  *Network
	link    *Link
	outside atomic.Pointer[Network] // replaced under lab.mu

	mu  sync.Mutex
	nat *nat.NAT
}

// NAT adds a network behind a NAT and returns the network inside, which has
// IPv4 only. Where c has no Outside the NAT gets the next address of n, where it
// has no Seed one that follows from the name and the seed of the lab. A NAT may
// be behind another. Hosts inside reach what is outside, and by their inside
// addresses each other.
func (n *Network) NAT(name string, c nat.Config, options ...NetworkOption) *Network {
	lab := n.lab
	lab.helper()
	lab.mu.Lock()
	defer lab.mu.Unlock()
	inside := &Network{
		lab: lab, name: name, realm: newRealm(lab),
		v4: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(len(lab.networks) + 1), 0, 0}), 24),
	}
	inside.gateway = &NAT{lab: lab, name: name, inside: inside}
	inside.realm.nat = inside.gateway
	if err := inside.gateway.add(n, c, options); err != nil {
		lab.fatal(fmt.Errorf("add NAT %s: %w", name, err))
	}
	return inside
}

// Gateway returns the NAT before the network, nil where there is none.
func (n *Network) Gateway() *NAT { return n.gateway }

func (r *NAT) add(n *Network, c nat.Config, options []NetworkOption) (err error) {
	r.outside.Store(n)
	r.newLink()
	if c.Seed == 0 {
		c.Seed = r.lab.seedOf(r.name, "nat")
	}
	if !c.Outside.IsValid() {
		if c.Outside, _, err = n.addresses(); err != nil {
			return err
		}
	}
	switch {
	case !n.v4.Contains(c.Outside):
		return fmt.Errorf("outside address %s is not one of network %s", c.Outside, n.name)
	case n.realm.has(c.Outside):
		return fmt.Errorf("outside address %s is taken", c.Outside)
	}
	if r.nat, err = nat.New(c); err != nil {
		return err
	}
	if err := r.lab.join(r.inside, options); err != nil {
		return err
	}
	if r.inside.v6.IsValid() {
		return errors.New("IPv6 does not pass a NAT")
	}
	n.realm.change(nil, []netip.Addr{c.Outside}, r.link.down)
	return nil
}

func (r *NAT) newLink() {
	near := func() *Network { return r.outside.Load() }
	toOutside := func(p *packet) { r.outside.Load().realm.route(p) }
	l := &Link{lab: r.lab, up: r.lab.newLine(r.name, "up"), down: r.lab.newLine(r.name, "down")}
	l.up.near, l.up.out, l.up.back = near, toOutside, r.inbound
	l.down.near, l.down.out, l.down.back = near, r.inbound, toOutside
	r.link = l
}

// Name returns the name, which is that of the network inside as well.
func (r *NAT) Name() string { return r.name }

// Link returns the link between the NAT and the network outside.
func (r *NAT) Link() *Link { return r.link }

// Outside returns the address that the outside sees.
func (r *NAT) Outside() (a netip.Addr) {
	r.with(func(n *nat.NAT) { a = n.Outside() })
	return a
}

// Rebind forgets all mappings, as a NAT does that restarts: packets from outside
// are refused until the inside has sent again, and that then leaves from other
// ports.
func (r *NAT) Rebind() { r.with((*nat.NAT).Rebind) }

// Mappings returns the mappings that exist.
func (r *NAT) Mappings() (m []nat.Mapping) {
	r.with(func(n *nat.NAT) { m = n.Mappings() })
	return m
}

// Stats returns the counters.
func (r *NAT) Stats() (s nat.Stats) {
	r.with(func(n *nat.NAT) { s = n.Stats() })
	return s
}

// with calls f unless the NAT could not be made.
func (r *NAT) with(f func(*nat.NAT)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.nat != nil {
		f(r.nat)
	}
}

// Move joins the NAT to another network, or to the same one under another
// address, as a router does that dials in again. All mappings are lost.
func (r *NAT) Move(to *Network) error {
	lab := r.lab
	lab.helper()
	lab.mu.Lock()
	defer lab.mu.Unlock()
	if err := r.move(to); err != nil {
		return lab.fault(fmt.Errorf("move NAT %s to network %s: %w", r.name, to.name, err))
	}
	return nil
}

func (r *NAT) move(to *Network) error {
	for n := to; n.gateway != nil; n = n.gateway.outside.Load() {
		if n == r.inside {
			return errors.New("that network is behind the NAT")
		}
	}
	if !to.v4.IsValid() {
		return errors.New("that network has no IPv4")
	}
	next, _, err := to.addresses()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := []netip.Addr{r.nat.Outside()}
	if err := r.nat.SetOutside(next); err != nil {
		return err
	}
	r.nat.Rebind()
	r.outside.Swap(to).realm.change(old, nil, nil)
	to.realm.change(nil, []netip.Addr{next}, r.link.down)
	return nil
}

// outbound takes a packet that leaves the inside.
func (r *NAT) outbound(p *packet) {
	r.mu.Lock()
	hairpin, err := r.nat.Outbound(r.lab.scheduler.now(), p.data)
	r.mu.Unlock()
	switch {
	case err != nil || !p.parse():
		r.lab.drop(p, &r.lab.stats.translation)
	case hairpin:
		r.inside.realm.deliver(p)
	default:
		p.in = r.outside.Load().realm
		r.link.up.send(p)
	}
}

// inbound takes a packet that comes from the outside.
func (r *NAT) inbound(p *packet) {
	r.mu.Lock()
	err := r.nat.Inbound(r.lab.scheduler.now(), p.data)
	r.mu.Unlock()
	if err != nil || !p.parse() {
		r.lab.drop(p, &r.lab.stats.translation)
		return
	}
	r.inside.realm.deliver(p)
}
