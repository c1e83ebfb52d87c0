package netlab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
)

// Host is a machine of the lab: a network namespace with a loopback device, a
// device to the lab named eth0, and one address and a default route for each
// family that its network has.
type Host struct {
	lab   *Lab
	name  string
	link  *Link
	place atomic.Pointer[place] // replaced under lab.mu
	ns    *namespace
	tun   *os.File
	tap   atomic.Pointer[tap] // nil: not captured
}

// place is where a host is joined to the lab.
type place struct {
	network *Network
	v4, v6  netip.Addr
}

func (p *place) addrs() []netip.Addr {
	var a []netip.Addr
	for _, addr := range []netip.Addr{p.v4, p.v6} {
		if addr.IsValid() {
			a = append(a, addr)
		}
	}
	return a
}

var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Host adds a host to the network. Programs in all hosts find it under its name.
func (n *Network) Host(name string) *Host {
	lab := n.lab
	lab.helper()
	lab.mu.Lock()
	defer lab.mu.Unlock()
	h := &Host{lab: lab, name: name}
	h.link = h.newLink()
	h.place.Store(&place{network: n})
	if err := h.add(n); err != nil {
		lab.fatal(fmt.Errorf("add host %s: %w", name, err))
		return h
	}
	lab.hosts = append(lab.hosts, h)
	lab.fatal(lab.writeHosts())
	return h
}

func (h *Host) newLink() *Link {
	lab := h.lab
	near := func() *Network { return h.place.Load().network }
	l := &Link{lab: lab, up: lab.newLine(h.name, "up"), down: lab.newLine(h.name, "down")}
	l.up.host = h
	l.up.near, l.up.out, l.up.back = near, func(p *packet) { p.in.route(p) }, l.down.send
	l.down.near, l.down.out, l.down.back = near, h.write, func(p *packet) { p.in.route(p) }
	return l
}

// add makes the namespaces of the host. The caller holds lab.mu.
func (h *Host) add(n *Network) (err error) {
	lab := h.lab
	switch {
	case lab.closed:
		return ErrClosed
	case lab.err != nil:
		return lab.err
	case !hostName.MatchString(h.name):
		return errors.New("the name must be of 1 to 63 lower-case letters, digits and hyphens")
	}
	for _, other := range lab.hosts {
		if other.name == h.name {
			return errors.New("the name is taken")
		}
	}
	at := &place{network: n}
	if at.v4, at.v6, err = n.addresses(); err != nil {
		return err
	}
	ns, tun, err := newNamespace(h.name, lab.mtu)
	if err != nil {
		return explain(err)
	}
	for _, a := range at.addrs() {
		err = errors.Join(err, ns.routes.add(a))
	}
	if err == nil {
		err = h.startCapture()
	}
	if err != nil {
		tun.Close()
		ns.close()
		return err
	}
	h.ns, h.tun = ns, tun
	h.place.Store(at)
	n.realm.change(nil, at.addrs(), h.link.down)
	lab.readers.Go(h.read)
	return nil
}

// Name returns the name.
func (h *Host) Name() string { return h.name }

// Network returns the network that the host is joined to.
func (h *Host) Network() *Network { return h.place.Load().network }

// Addr4 returns the IPv4 address, the zero Addr where the network has none.
func (h *Host) Addr4() netip.Addr { return h.place.Load().v4 }

// Addr6 returns the IPv6 address, the zero Addr where the network has none.
func (h *Host) Addr6() netip.Addr { return h.place.Load().v6 }

// Link returns the link between the host and its network. It stays the same
// when the host moves.
func (h *Host) Link() *Link { return h.link }

// Move joins the host to another network, or to the same one under another
// address. New addresses come before old ones go, so that a program which sends
// at this moment sees no unreachable network; packets on their way to the old
// addresses are lost. To model a gap, set a Loss of 1 before and another shape
// after.
func (h *Host) Move(to *Network) error {
	lab := h.lab
	lab.helper()
	lab.mu.Lock()
	defer lab.mu.Unlock()
	if err := h.usable(); err != nil {
		return lab.fault(err)
	}
	if err := h.move(to); err != nil {
		return lab.fault(fmt.Errorf("move host %s to network %s: %w", h.name, to.name, err))
	}
	return lab.fault(lab.writeHosts())
}

func (h *Host) move(to *Network) (err error) {
	old, next := h.place.Load(), &place{network: to}
	if next.v4, next.v6, err = to.addresses(); err != nil {
		return err
	}
	for _, a := range next.addrs() {
		if err := h.ns.routes.add(a); err != nil {
			return err
		}
	}
	if old.network.realm == to.realm {
		to.realm.change(old.addrs(), next.addrs(), h.link.down)
	} else {
		old.network.realm.change(old.addrs(), nil, nil)
		to.realm.change(nil, next.addrs(), h.link.down)
	}
	h.place.Store(next)
	for _, a := range old.addrs() {
		last := a.Is4() && !next.v4.IsValid() || a.Is6() && !next.v6.IsValid()
		err = errors.Join(err, h.ns.routes.remove(a, last))
	}
	return err
}

// usable returns why the host can not be used. The caller holds lab.mu.
func (h *Host) usable() error {
	switch {
	case h.lab.closed:
		return ErrClosed
	case h.ns == nil:
		return fmt.Errorf("host %s was not made: %w", h.name, h.lab.err)
	}
	return nil
}

func (h *Host) check() error {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	return h.usable()
}

// writeHosts tells the names of all hosts to all hosts. The caller holds lab.mu.
func (lab *Lab) writeHosts() error {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
	for _, h := range lab.hosts {
		for _, a := range h.place.Load().addrs() {
			fmt.Fprintf(&b, "%s %s\n", a, h.name)
		}
	}
	var errs []error
	for _, h := range lab.hosts {
		errs = append(errs, h.ns.setHosts(b.String()))
	}
	return errors.Join(errs...)
}

// read takes packets from the device until it is closed.
func (h *Host) read() {
	for {
		p := h.lab.take()
		n, err := h.tun.Read(p.buf)
		if err != nil {
			h.lab.free(p)
			return
		}
		p.data = p.buf[:n]
		if !p.parse() {
			h.lab.free(p)
			continue
		}
		h.tap.Load().packet(p.data)
		h.send(p)
	}
}

// send puts a packet of the host on its link, unless its source is another's.
func (h *Host) send(p *packet) {
	at := h.place.Load()
	if p.src != at.v4 && p.src != at.v6 {
		h.lab.drop(p, &h.lab.stats.spoofed)
		return
	}
	p.in = at.network.realm
	h.link.up.send(p)
}

// write gives a packet to the device. The kernel refuses it only while the
// device is down or gone.
func (h *Host) write(p *packet) {
	h.tap.Load().packet(p.data)
	_, _ = h.tun.Write(p.data)
	h.lab.free(p)
}

func (h *Host) overrun() uint64 {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	if h.usable() != nil {
		return 0
	}
	n, _ := h.ns.routes.overrun()
	return n
}
