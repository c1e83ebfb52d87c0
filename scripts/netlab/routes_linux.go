package netlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// backlog is how many packets the kernel keeps for the reader of a device.
const backlog = 10_000

// routes configures the device of one namespace.
type routes struct {
	handle *netlink.Handle
	link   netlink.Link
}

// newRoutes brings the loopback device and the TUN device up. It must run on a
// thread of the namespace; what it returns may be used on any.
func newRoutes(mtu int) (*routes, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	r := &routes{handle: handle}
	if err := r.up(mtu); err != nil {
		handle.Close()
		return nil, err
	}
	return r, nil
}

func (r *routes) up(mtu int) error {
	lo, err := r.handle.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback device: %w", err)
	}
	if err := r.handle.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	if r.link, err = r.handle.LinkByName(device); err != nil {
		return fmt.Errorf("find TUN device: %w", err)
	}
	err = errors.Join(
		r.handle.LinkSetMTU(r.link, mtu),
		r.handle.LinkSetTxQLen(r.link, backlog),
		r.handle.LinkSetUp(r.link),
	)
	if err != nil {
		return fmt.Errorf("bring TUN device up: %w", err)
	}
	return nil
}

// add gives the device an address and the default route of its family. An
// address stands alone, without a prefix, so that it can go without taking
// another one along.
func (r *routes) add(addr netip.Addr) error {
	if err := r.handle.AddrReplace(r.link, r.address(addr)); err != nil {
		return fmt.Errorf("add address %s: %w", addr, err)
	}
	if err := r.handle.RouteReplace(r.defaultRoute(addr)); err != nil {
		return fmt.Errorf("add default route for %s: %w", addr, err)
	}
	return r.await(addr)
}

// await returns when packets to addr are taken in: the kernel makes the local
// route of an IPv6 address in the background.
func (r *routes) await(addr netip.Addr) error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(100 * time.Microsecond) {
		found, err := r.handle.RouteGet(addr.AsSlice())
		if err == nil && len(found) > 0 && found[0].Type == unix.RTN_LOCAL {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("add address %s: the kernel made no local route within 5 s", addr)
		}
	}
}

// remove takes an address away, and with the last of its family the route.
func (r *routes) remove(addr netip.Addr, last bool) error {
	if last {
		if err := r.handle.RouteDel(r.defaultRoute(addr)); err != nil {
			return fmt.Errorf("remove default route for %s: %w", addr, err)
		}
	}
	if err := r.handle.AddrDel(r.link, r.address(addr)); err != nil {
		return fmt.Errorf("remove address %s: %w", addr, err)
	}
	return nil
}

func (r *routes) address(addr netip.Addr) *netlink.Addr {
	a := &netlink.Addr{IPNet: network(addr, addr.BitLen())}
	if addr.Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

func (r *routes) defaultRoute(addr netip.Addr) *netlink.Route {
	route := &netlink.Route{LinkIndex: r.link.Attrs().Index, Family: netlink.FAMILY_V6, Dst: network(netip.IPv6Unspecified(), 0)}
	if addr.Is4() {
		route.Family, route.Dst, route.Scope = netlink.FAMILY_V4, network(netip.IPv4Unspecified(), 0), netlink.SCOPE_LINK
	}
	return route
}

func network(addr netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(bits, addr.BitLen())}
}

// overrun counts packets that the kernel dropped because the reader was late.
func (r *routes) overrun() (uint64, error) {
	l, err := r.handle.LinkByIndex(r.link.Attrs().Index)
	if err != nil {
		return 0, fmt.Errorf("read counters of the TUN device: %w", err)
	}
	if s := l.Attrs().Statistics; s != nil {
		return s.TxDropped, nil
	}
	return 0, nil
}

func (r *routes) close() { r.handle.Close() }
