package netlab_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab"
	"github.com/alkdev/alknet/scripts/netlab/nat"
)

// behind is a client behind a NAT and two servers with two sockets each.
type behind struct {
	t       testing.TB
	gateway *netlab.NAT
	hosts   [2]*netlab.Host
	client  *net.UDPConn
	servers [2][2]*net.UDPConn
}

func newBehind(t testing.TB, c nat.Config) *behind {
	t.Helper()
	lab := netlab.New(t, netlab.Config{})
	inet := lab.Network("internet", netlab.V4Only())
	home := inet.NAT("home", c)
	b := &behind{t: t, gateway: home.Gateway(), client: udp(t, home.Host("client"))}
	for i, name := range []string{"one", "two"} {
		b.hosts[i] = inet.Host(name)
		for j := range b.servers[i] {
			b.servers[i][j] = udp(t, b.hosts[i])
		}
	}
	return b
}

// ask sends from the client to a socket and returns the source that it saw.
func (b *behind) ask(host, socket int) netip.AddrPort {
	b.t.Helper()
	s, refused := b.servers[host][socket], b.refused()
	if _, err := b.client.WriteToUDPAddrPort([]byte("ask"), address(b.hosts[host], s)); err != nil {
		b.t.Fatal(err)
	}
	from, ok := b.receive(s, refused)
	if !ok {
		b.t.Fatal("a packet of the client did not arrive")
	}
	return from
}

// reaches reports whether a socket reaches the client at the address to.
func (b *behind) reaches(host, socket int, to netip.AddrPort) bool {
	b.t.Helper()
	refused := b.refused()
	if _, err := b.servers[host][socket].WriteToUDPAddrPort([]byte("hello"), to); err != nil {
		b.t.Fatal(err)
	}
	_, ok := b.receive(b.client, refused)
	return ok
}

// receive waits for a packet, or until the NAT has refused more than it had.
func (b *behind) receive(c *net.UDPConn, refused uint64) (from netip.AddrPort, ok bool) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Millisecond)); err != nil {
			b.t.Fatal(err)
		}
		_, from, err := c.ReadFromUDPAddrPort(make([]byte, 16))
		switch {
		case err == nil:
			return netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), true
		case !errors.Is(err, os.ErrDeadlineExceeded):
			b.t.Fatal(err)
		case b.refused() > refused:
			return from, false
		}
	}
	b.t.Fatal("a packet neither arrived nor was refused")
	return from, false
}

func (b *behind) refused() (sum uint64) {
	for _, n := range b.gateway.Stats().Refused {
		sum += n
	}
	return sum
}

// classify is the algorithm of RFC 3489 section 10.1, with what it would ask the
// servers done at once: what they see and who of them gets through.
func (b *behind) classify() nat.Kind {
	b.t.Helper()
	mapped := b.ask(0, 0)
	switch {
	case b.reaches(1, 0, mapped):
		return nat.FullCone
	case b.ask(1, 1) != mapped:
		return nat.Symmetric
	case b.reaches(0, 1, mapped):
		return nat.AddressRestricted
	}
	return nat.PortRestricted
}

func TestKinds(t *testing.T) {
	for _, kind := range []nat.Kind{nat.FullCone, nat.AddressRestricted, nat.PortRestricted, nat.Symmetric} {
		t.Run(kind.String(), func(t *testing.T) {
			b := newBehind(t, nat.Config{Kind: kind})
			if got := b.classify(); got != kind {
				t.Errorf("classified as %s", got)
			}
			if got := b.ask(0, 0).Addr(); got != b.gateway.Outside() {
				t.Errorf("the server saw %s, want %s", got, b.gateway.Outside())
			}
			if !b.reaches(0, 0, b.ask(0, 0)) {
				t.Error("an answer does not arrive")
			}
		})
	}
}

func TestRebind(t *testing.T) {
	b := newBehind(t, nat.Config{Kind: nat.PortRestricted})
	before := b.ask(0, 0)
	if again := b.ask(0, 0); again != before {
		t.Errorf("the mapping changed from %s to %s by itself", before, again)
	}
	b.gateway.Rebind()
	if b.reaches(0, 0, before) {
		t.Error("the old mapping still works")
	}
	after := b.ask(0, 0)
	if after == before || after.Addr() != before.Addr() {
		t.Errorf("the mapping was %s and is %s: want another port", before, after)
	}
	if !b.reaches(0, 0, after) {
		t.Error("the new mapping does not work")
	}
}

func TestMoveNAT(t *testing.T) {
	b := newBehind(t, nat.Config{Kind: nat.PortRestricted})
	before := b.ask(0, 0)
	if err := b.gateway.Move(b.hosts[0].Network()); err != nil {
		t.Fatal(err)
	}
	after := b.ask(0, 0)
	if after.Addr() == before.Addr() || after.Addr() != b.gateway.Outside() {
		t.Errorf("the outside address was %s and is %s, want %s", before.Addr(), after.Addr(), b.gateway.Outside())
	}
	if after.Port() == before.Port() {
		t.Error("the NAT moved and kept a mapping")
	}
}

func TestNATs(t *testing.T) {
	need(t, "ping")
	lab := netlab.New(t, netlab.Config{})
	inet := lab.Network("internet")
	carrier := inet.NAT("carrier", nat.Config{Kind: nat.Symmetric})
	home := carrier.NAT("home", nat.Config{Kind: nat.FullCone})
	client, neighbour, server := home.Host("client"), home.Host("neighbour"), inet.Host("server")
	if client.Addr6().IsValid() {
		t.Error("a host behind a NAT has an IPv6 address")
	}
	for _, name := range []string{"server", "neighbour"} {
		if n := len(ping(t, client, "-c", "3", "-i", "0.01", name)); n != 3 {
			t.Errorf("%d answers to 3 pings to %s", n, name)
		}
	}
	transfer(t, client, server, server.Addr4().String(), 100_000)
	transfer(t, client, neighbour, "neighbour", 100_000)
}
