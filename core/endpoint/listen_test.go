package endpoint_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/endpoint"
	"github.com/alkdev/alknet/core/tlsconf"
)

func idle(t *testing.T) *endpoint.Endpoint {
	t.Helper()
	router := &core.Router{}
	if err := router.Register(answer("alknet/ssh")); err != nil {
		t.Fatal(err)
	}
	e := &endpoint.Endpoint{Router: router, TLS: &tlsconf.Server{Node: nodeCertificate(t)}}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestPortZeroIsTheSameOnBothTransports(t *testing.T) {
	n := start(t, nil, answer("alknet/ssh"))
	if strings.HasSuffix(n.addr, ":0") {
		t.Fatalf("address %s", n.addr)
	}
	for _, transport := range transports {
		mustAsk(t, mustDial(t, transport.dial, n.addr, offer(nil, "alknet/ssh")), "alknet/ssh")
	}
}

func TestPortInUse(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			var taken net.Addr
			if network == "tcp" {
				ln, err := net.Listen("tcp4", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer ln.Close()
				taken = ln.Addr()
			} else {
				pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer pc.Close()
				taken = pc.LocalAddr()
			}
			e := idle(t)
			err := e.Listen("127.0.0.1:0", taken.String())
			if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), taken.String()) || !strings.Contains(err.Error(), "ss -") {
				t.Errorf("got %v", err)
			}
			if len(e.Addrs()) != 0 {
				t.Errorf("part of the addresses is bound: %v", e.Addrs())
			}
		})
	}
}

func TestSeveralAddresses(t *testing.T) {
	n := start(t, func(e *endpoint.Endpoint) {
		if err := e.Listen("127.0.0.1:0", "127.0.0.2:0", "localhost:0"); err != nil {
			t.Fatal(err)
		}
	}, answer("alknet/ssh"))
	if len(n.Addrs()) < 3 {
		t.Fatalf("bound %v", n.Addrs())
	}
	for _, addr := range n.Addrs()[:2] {
		for _, transport := range transports {
			mustAsk(t, mustDial(t, transport.dial, addr, offer(nil, "alknet/ssh")), "alknet/ssh")
		}
	}
}

func TestDualStackAndSingleFamily(t *testing.T) {
	if ln, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here")
	} else {
		ln.Close()
	}
	both := start(t, func(e *endpoint.Endpoint) {
		if err := e.Listen(":0"); err != nil {
			t.Fatal(err)
		}
	}, answer("alknet/ssh"))
	_, port, _ := net.SplitHostPort(both.addr)
	if len(both.Addrs()) != 1 {
		t.Errorf("dual stack bound %v", both.Addrs())
	}
	for _, transport := range transports {
		mustAsk(t, mustDial(t, transport.dial, "127.0.0.1:"+port, offer(nil, "alknet/ssh")), "alknet/ssh")
	}
	nc, err := net.Dial("tcp6", "[::1]:"+port)
	if err != nil {
		t.Error(err)
	} else {
		nc.Close()
	}

	four := idle(t)
	if err := four.Listen("0.0.0.0:0"); err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(four.Addrs()[0])
	six := idle(t)
	if err := six.Listen("[::]:" + port); err != nil {
		t.Errorf("the IPv4 address took the port of IPv6 too: %v", err)
	}
}

func TestListenRefuses(t *testing.T) {
	for _, test := range []struct{ addr, want string }{
		{"4433", "host:port"},
		{"127.0.0.1", "host:port"},
		{"127.0.0.1:ssh", "a number"},
		{"127.0.0.1:70000", "a number"},
		{"192.0.2.77:0", "no network interface"},
	} {
		if err := idle(t).Listen(test.addr); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.addr) {
			t.Errorf("%s: got %v, want %q", test.addr, err, test.want)
		}
	}
	if err := (&endpoint.Endpoint{}).Listen(":0"); err == nil {
		t.Error("listened without a router")
	}
	e := &endpoint.Endpoint{Router: &core.Router{}, TLS: &tlsconf.Server{}}
	if err := e.Listen("127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "register a handler") {
		t.Errorf("no handler: got %v", err)
	}
}

func TestOrderOfCalls(t *testing.T) {
	e := idle(t)
	if err := e.Serve(t.Context()); err == nil || !strings.Contains(err.Error(), "Listen first") {
		t.Errorf("Serve before Listen: %v", err)
	}
	if err := e.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	addr := e.Addrs()[0]
	if err := e.Close(); err != nil {
		t.Errorf("Close before Serve: %v", err)
	}
	for name, err := range map[string]error{"Listen": e.Listen("127.0.0.1:0"), "Serve": e.Serve(t.Context())} {
		if !errors.Is(err, core.ErrServerClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	again := idle(t)
	if err := again.Listen(addr); err != nil {
		t.Errorf("Close left the port taken: %v", err)
	}
}

func TestTransportReaches(t *testing.T) {
	e := idle(t)
	if err := e.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{"127.0.0.9": true, "::ffff:127.0.0.9": true, "192.0.2.1": false, "::1": false} {
		if got := e.Transport(netip.MustParseAddr(addr)) != nil; got != want {
			t.Errorf("%s: got %v", addr, got)
		}
	}
	wide := idle(t)
	if err := wide.Listen("0.0.0.0:0"); err != nil {
		t.Fatal(err)
	}
	if wide.Transport(netip.MustParseAddr("192.0.2.1")) == nil {
		t.Error("the wildcard address reaches nothing")
	}
}

func TestDialLeavesFromTheListeningPort(t *testing.T) {
	seen := make(chan string, 1)
	server := start(t, nil, answering("alknet/ssh", func(who *core.AuthContext) string {
		seen <- who.RemoteAddr.String()
		return "ok"
	}))
	client := start(t, nil, answer("alknet/ssh"))
	tr := client.Transport(netip.MustParseAddr("127.0.0.1"))
	conn, err := dialQUICFrom(t, tr, server.addr, offer(nil, "alknet/ssh"))
	if err != nil {
		t.Fatal(err)
	}
	mustAsk(t, conn, "ok")
	if got := <-seen; got != client.addr {
		t.Errorf("dialled from %s, listening on %s", got, client.addr)
	}
	conn.Close(core.CodeNone, "")
}
