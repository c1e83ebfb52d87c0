package netlab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// Do calls f on an OS thread in the network of the host and returns its error.
// Sockets that f opens belong to the host for as long as they are open; they
// may be used from every goroutine, and f may return them through variables.
//
// What f leaves to other goroutines happens outside of the host. That holds for
// goroutines that f starts and for those of the standard library: dial IP
// addresses, no names, and start programs by [Host.Command]. Calls run beside
// each other. f must not call runtime.UnlockOSThread.
func (h *Host) Do(f func() error) error {
	if err := h.check(); err != nil {
		return err
	}
	return h.ns.do(f)
}

// Listen is [net.Listen] in the host.
func (h *Host) Listen(network, address string) (net.Listener, error) {
	var l net.Listener
	err := h.Do(func() (err error) {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// ListenPacket is [net.ListenPacket] in the host. For the networks "udp",
// "udp4" and "udp6" the result is a [*net.UDPConn].
func (h *Host) ListenPacket(network, address string) (net.PacketConn, error) {
	var c net.PacketConn
	err := h.Do(func() (err error) {
		c, err = net.ListenPacket(network, address)
		return err
	})
	return c, err
}

// Dial is [net.Dialer.DialContext] in the host. The host part of address is an
// IP address or the name of a host of the lab, whose addresses are tried one
// after the other, IPv6 first.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := h.lab.lookup(name)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	var c net.Conn
	for _, a := range addrs {
		if a.Is4() && network[len(network)-1] == '6' || a.Is6() && network[len(network)-1] == '4' {
			continue
		}
		err = h.Do(func() (err error) {
			var d net.Dialer
			c, err = d.DialContext(ctx, network, net.JoinHostPort(a.String(), port))
			return err
		})
		if err == nil {
			return c, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("dial %s: no address for %s", address, network)
	}
	return nil, err
}

func (lab *Lab) lookup(name string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	lab.mu.Lock()
	defer lab.mu.Unlock()
	for _, h := range lab.hosts {
		if h.name == name {
			at := h.place.Load().addrs()
			if len(at) == 2 {
				at[0], at[1] = at[1], at[0]
			}
			return at, nil
		}
	}
	return nil, fmt.Errorf("no host of the lab has the name %q", name)
}
