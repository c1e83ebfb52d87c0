package netlab_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab"
)

func TestMove(t *testing.T) {
	lab := netlab.New(t, netlab.Config{})
	home, mobile, servers := lab.Network("home"), lab.Network("mobile"), lab.Network("servers")
	ancient := lab.Network("ancient", netlab.V4Only())
	client, server := home.Host("client"), servers.Host("server")
	out, in := udp(t, client), udp(t, server)
	seen := map[netip.Addr]bool{}
	for _, to := range []*netlab.Network{home, mobile, mobile, ancient, home} {
		if err := client.Move(to); err != nil {
			t.Fatal(err)
		}
		if client.Network() != to || client.Addr6().IsValid() != (to != ancient) {
			t.Errorf("the host is in %s with %v", client.Network().Name(), client.Addr6())
		}
		targets := []netip.Addr{server.Addr4()}
		if to != ancient {
			targets = append(targets, server.Addr6())
		}
		for _, target := range targets {
			from := echo(t, out, in, target)
			want := client.Addr4()
			if target.Is6() {
				want = client.Addr6()
			}
			if from != want {
				t.Errorf("the server saw %s, want %s", from, want)
			}
			if seen[from] {
				t.Errorf("the address %s was used before", from)
			}
			seen[from] = true
		}
	}
}

// echo sends a packet and its answer, and returns the source that in saw.
func echo(t testing.TB, out, in *net.UDPConn, to netip.Addr) netip.Addr {
	t.Helper()
	b := make([]byte, 16)
	target := netip.AddrPortFrom(to, uint16(in.LocalAddr().(*net.UDPAddr).Port))
	for _, c := range []*net.UDPConn{out, in} {
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := out.WriteToUDPAddrPort([]byte("ask"), target); err != nil {
		t.Fatal(err)
	}
	_, from, err := in.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.WriteToUDPAddrPort([]byte("answer"), from); err != nil {
		t.Fatal(err)
	}
	if _, _, err := out.ReadFromUDPAddrPort(b); err != nil {
		t.Fatal(err)
	}
	return from.Addr().Unmap()
}

func TestFamilies(t *testing.T) {
	lab := netlab.New(t, netlab.Config{})
	for _, tt := range []struct {
		name    string
		network *netlab.Network
		v4, v6  bool
	}{
		{"both", lab.Network("both"), true, true},
		{"IPv4", lab.Network("ipv4", netlab.V4Only()), true, false},
		{"IPv6", lab.Network("ipv6", netlab.V6Only()), false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := tt.network.Host(tt.network.Name()+"-a"), tt.network.Host(tt.network.Name()+"-b")
			if a.Addr4().IsValid() != tt.v4 || a.Addr6().IsValid() != tt.v6 {
				t.Errorf("addresses %s and %s", a.Addr4(), a.Addr6())
			}
			transfer(t, a, b, b.Name(), 1000)
			l, err := b.Listen("tcp", ":0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for network, want := range map[string]bool{"tcp4": tt.v4, "tcp6": tt.v6} {
				c, err := a.Dial(t.Context(), network, fmt.Sprintf("%s:%d", b.Name(), l.Addr().(*net.TCPAddr).Port))
				if (err == nil) != want {
					t.Errorf("dial %s: %v", network, err)
				}
				if err == nil {
					c.Close()
				}
			}
		})
	}
}

func TestPrefixes(t *testing.T) {
	lab := netlab.New(t, netlab.Config{})
	v4, v6 := netip.MustParsePrefix("203.0.113.0/30"), netip.MustParsePrefix("2001:db8:abcd::/64")
	n := lab.Network("tiny", netlab.Prefix(v4), netlab.Prefix(v6))
	h := n.Host("a")
	if !v4.Contains(h.Addr4()) || !v6.Contains(h.Addr6()) {
		t.Errorf("addresses %s and %s", h.Addr4(), h.Addr6())
	}
	other, err := netlab.Open(netlab.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	full := other.Network("tiny", netlab.Prefix(v4))
	full.Host("a")
	if err := other.Err(); err != nil {
		t.Fatal(err)
	}
	if err := full.Host("b").Do(func() error { return nil }); err == nil || other.Err() == nil {
		t.Error("a network of one address has two hosts")
	}
}

func TestTopologyFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		build func(*netlab.Lab)
	}{
		{"host twice", func(l *netlab.Lab) { n := l.Network("n"); n.Host("a"); n.Host("a") }},
		{"host name", func(l *netlab.Lab) { l.Network("n").Host("a b") }},
		{"network twice", func(l *netlab.Lab) { l.Network("n"); l.Network("n") }},
		{"no family", func(l *netlab.Lab) { l.Network("n", netlab.V4Only(), netlab.V6Only()) }},
		{"overlap", func(l *netlab.Lab) {
			l.Network("n", netlab.Prefix(netip.MustParsePrefix("10.0.0.0/8")))
			l.Network("m", netlab.Prefix(netip.MustParsePrefix("10.1.0.0/16")))
		}},
		{"no room", func(l *netlab.Lab) { l.Network("n", netlab.Prefix(netip.MustParsePrefix("10.0.0.0/31"))) }},
		{"multicast", func(l *netlab.Lab) { l.Network("n", netlab.Prefix(netip.MustParsePrefix("224.0.0.0/24"))) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lab, err := netlab.Open(netlab.Config{})
			if err != nil {
				t.Skip(err)
			}
			defer lab.Close()
			tt.build(lab)
			if lab.Err() == nil {
				t.Error("no error")
			}
		})
	}
}

func TestTwoLabs(t *testing.T) {
	type pair struct{ client, server *netlab.Host }
	var pairs []pair
	for range 2 {
		inet := netlab.New(t, netlab.Config{}).Network("internet")
		pairs = append(pairs, pair{inet.Host("client"), inet.Host("server")})
	}
	if pairs[0].server.Addr4() != pairs[1].server.Addr4() {
		t.Error("the labs differ in their addresses")
	}
	for _, p := range pairs {
		transfer(t, p.client, p.server, "server", 10_000)
	}
	for _, p := range pairs {
		if n := p.server.Link().Stats().Down.Out.Bytes; n < 10_000 || n > 20_000 {
			t.Errorf("the server received %d bytes, want those of one transfer", n)
		}
	}
}

func TestDropped(t *testing.T) {
	need(t, "ip")
	need(t, "ping")
	lab := netlab.New(t, netlab.Config{})
	inet := lab.Network("internet", netlab.V4Only())
	a, b := inet.Host("a"), inet.Host("b")
	if out, err := a.Command(t.Context(), "ip", "address", "add", "192.0.2.1/32", "dev", "eth0").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, arg := range [][]string{{"-I", "192.0.2.1", b.Name()}, {"192.0.2.99"}} {
		out, err := a.Command(t.Context(), "ping", append([]string{"-c", "1", "-W", "0.1"}, arg...)...).CombinedOutput()
		if err == nil {
			t.Errorf("an answer: %s", out)
		}
	}
	if got, want := lab.Stats(), (netlab.Stats{Unroutable: 1, Spoofed: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestCapture(t *testing.T) {
	lab := netlab.New(t, netlab.Config{})
	inet := lab.Network("internet")
	a := inet.Host("a")
	dir := filepath.Join(t.TempDir(), "captures")
	if err := lab.Capture(dir); err != nil {
		t.Fatal(err)
	}
	b := inet.Host("b")
	newFlow(t, a, b).send(3, 100)
	if err := lab.Close(); err != nil {
		t.Fatal(err)
	}
	for _, h := range []*netlab.Host{a, b} {
		data, err := os.ReadFile(filepath.Join(dir, h.Name()+".pcap"))
		if err != nil {
			t.Fatal(err)
		}
		if want := 24 + 3*(16+20+8+100); len(data) != want || binary.LittleEndian.Uint32(data) != 0xa1b23c4d {
			t.Errorf("the capture of %s has %d bytes, want %d", h.Name(), len(data), want)
		}
	}
}
