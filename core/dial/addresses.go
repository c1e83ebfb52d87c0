package dial

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// addresses returns what to try, in order, without a transport.
func (d *Dialer) addresses(ctx context.Context, t Target) ([]candidate, error) {
	places := []Target{t}
	if t.Host == "" {
		var err error
		if places, err = d.discover(ctx, t); err != nil {
			return nil, err
		}
	}
	var out []candidate
	for _, place := range places {
		addrs, err := d.lookup(ctx, place.Host)
		if err != nil {
			if len(places) > 1 && ctx.Err() == nil {
				continue
			}
			return nil, err
		}
		for _, addr := range addrs {
			c := candidate{host: place.Host, port: place.Port}
			if addr.IsValid() {
				c.addr = netip.AddrPortFrom(addr, place.Port)
			}
			if len(out) < maxAddresses {
				out = append(out, c)
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("look up %v: %w: no address found", t, ErrUnreachable)
	}
	return out, nil
}

func (d *Dialer) discover(ctx context.Context, t Target) ([]Target, error) {
	if d.Resolve == nil {
		return nil, &NoAddressError{ID: t.ID}
	}
	found, err := d.Resolve(ctx, t.ID)
	if err != nil {
		return nil, fmt.Errorf("discover %v: %w: %w", t.ID, ErrUnreachable, err)
	}
	var places []Target
	for _, place := range found {
		if place.Host != "" && len(places) < maxAddresses {
			places = append(places, place)
		}
	}
	if len(places) == 0 {
		return nil, &NoAddressError{ID: t.ID}
	}
	return places, nil
}

// lookup returns one invalid address if the proxy is to resolve the host.
func (d *Dialer) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	if d.Proxy != nil {
		return []netip.Addr{{}}, nil
	}
	find := d.Lookup
	if find == nil {
		find = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	addrs, err := find(ctx, host)
	if err != nil {
		if ctx.Err() != nil {
			return nil, contextual(ctx, err)
		}
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return interleave(addrs), nil
}

// interleave alternates the families, beginning with that of the first
// address: RFC 8305, section 4.
func interleave(addrs []netip.Addr) []netip.Addr {
	var first, second []netip.Addr
	for _, a := range addrs {
		a = a.Unmap()
		if len(first) == 0 || a.Is4() == first[0].Is4() {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	out := make([]netip.Addr, 0, len(addrs))
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			out = append(out, first[i])
		}
		if i < len(second) {
			out = append(out, second[i])
		}
	}
	return out
}
