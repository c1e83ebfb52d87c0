package endpoint_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/endpoint"
	"github.com/alkdev/alknet/core/internal/tcpconn"
)

// bind opens what a service manager would.
func bind(t *testing.T, network, addr string) (*net.TCPListener, *net.UDPConn) {
	t.Helper()
	for range 32 {
		ln, err := net.Listen("tcp"+network, addr)
		if err != nil {
			t.Skipf("no such address here: %v", err)
		}
		host, _, _ := net.SplitHostPort(ln.Addr().String())
		pc, err := net.ListenPacket("udp"+network, net.JoinHostPort(host, port(ln.Addr())))
		if errors.Is(err, syscall.EADDRINUSE) {
			ln.Close()
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close(); pc.Close() })
		return ln.(*net.TCPListener), pc.(*net.UDPConn)
	}
	t.Fatal("no port is free for both transports")
	return nil, nil
}

func port(a net.Addr) string {
	_, p, _ := net.SplitHostPort(a.String())
	return p
}

// copied is what a process gets of a socket that another keeps.
func copied(t *testing.T, ln *net.TCPListener, pc *net.UDPConn) (*net.TCPListener, *net.UDPConn) {
	t.Helper()
	tf, err := ln.File()
	if err != nil {
		t.Fatal(err)
	}
	defer tf.Close()
	uf, err := pc.File()
	if err != nil {
		t.Fatal(err)
	}
	defer uf.Close()
	l, err := net.FileListener(tf)
	if err != nil {
		t.Fatal(err)
	}
	p, err := net.FilePacketConn(uf)
	if err != nil {
		t.Fatal(err)
	}
	return l.(*net.TCPListener), p.(*net.UDPConn)
}

func TestListenOn(t *testing.T) {
	for _, test := range []struct {
		name, network, addr string
		udp                 bool
	}{
		{"TCP alone", "4", "127.0.0.1:0", false},
		{"both", "4", "127.0.0.1:0", true},
		{"IPv6", "6", "[::1]:0", true},
		{"every address, TCP alone", "", ":0", false},
		{"every address", "", ":0", true},
		{"every address of IPv6, TCP alone", "6", "[::]:0", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := start(t, func(e *endpoint.Endpoint) {
				for {
					ln, pc := bind(t, test.network, test.addr)
					if !test.udp {
						pc.Close()
						pc = nil
					}
					err := e.ListenOn(ln, pc)
					if !test.udp && errors.Is(err, syscall.EADDRINUSE) {
						continue // somebody took the port in between
					}
					if err != nil {
						t.Fatal(err)
					}
					return
				}
			}, answer("alknet/ssh"))
			hosts := map[string][]string{"4": {"127.0.0.1"}, "6": {"::1"}, "": {"127.0.0.1", "::1"}}[test.network]
			_, p, _ := net.SplitHostPort(n.addr)
			for _, host := range hosts {
				for _, transport := range transports {
					mustAsk(t, mustDial(t, transport.dial, net.JoinHostPort(host, p), offer(nil, "alknet/ssh")), "alknet/ssh")
				}
			}
		})
	}
}

func TestListenOnRefuses(t *testing.T) {
	bound := func(network, addr string) (*net.TCPListener, *net.UDPConn) { return bind(t, network, addr) }
	_, other := bound("4", "127.0.0.1:0")
	ln, pc := bound("4", "127.0.0.1:0")
	e := idle(t)
	err := e.ListenOn(ln, other)
	if err == nil || !strings.Contains(err.Error(), ln.Addr().String()) || !strings.Contains(err.Error(), other.LocalAddr().String()) {
		t.Errorf("two ports: got %v", err)
	}
	for name, err := range map[string]error{"TCP": ln.Close(), "UDP": other.Close()} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s was left open: %v", name, err)
		}
	}
	if len(e.Addrs()) != 0 {
		t.Errorf("bound %v", e.Addrs())
	}

	// The port of UDP is taken: TCP alone is no port of a node.
	held, err := net.Listen("tcp4", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.ListenOn(held.(*net.TCPListener), nil); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("UDP is taken: got %v", err)
	}

	wide, _ := bound("", ":0")
	narrow, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6zero, Port: atoi(t, port(wide.Addr()))})
	if err == nil {
		if err := e.ListenOn(wide, narrow); err == nil || !strings.Contains(err.Error(), "both families") {
			t.Errorf("two families and one: got %v", err)
		}
	}

	e.Close()
	late, latePC := bound("4", "127.0.0.1:0")
	if err := e.ListenOn(late, latePC); !errors.Is(err, core.ErrServerClosed) || !errors.Is(late.Close(), net.ErrClosed) {
		t.Errorf("after Close: got %v", err)
	}
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRestartOnPassedSocketsRefusesNobody dials while no endpoint runs.
func TestRestartOnPassedSocketsRefusesNobody(t *testing.T) {
	ln, pc := bind(t, "4", "127.0.0.1:0")
	on := func(e *endpoint.Endpoint) {
		if err := e.ListenOn(copied(t, ln, pc)); err != nil {
			t.Fatal(err)
		}
	}
	first := start(t, on, answer("alknet/ssh"))
	mustAsk(t, mustDial(t, transports[0].dial, first.addr, offer(nil, "alknet/ssh")), "alknet/ssh")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	type dialled struct {
		conn core.Connection
		err  error
	}
	waiting := make(chan dialled, len(transports))
	for _, transport := range transports {
		config := offer(nil, "alknet/ssh")
		go func() {
			conn, err := transport.dial(t, first.addr, config)
			waiting <- dialled{conn, err}
		}()
	}
	// Whoever is queued by now is served by the second one.
	nc, err := net.Dial("tcp4", first.addr)
	if err != nil {
		t.Fatalf("refused between two endpoints: %v", err)
	}
	nc.Close()
	second := start(t, on, answer("alknet/ssh"))
	for range transports {
		d := <-waiting
		if d.err != nil {
			t.Fatal(d.err)
		}
		mustAsk(t, d.conn, "alknet/ssh")
	}
	if second.addr != first.addr {
		t.Errorf("addresses %s and %s", first.addr, second.addr)
	}
}

func TestAccepting(t *testing.T) {
	e := idle(t)
	select {
	case <-e.Accepting():
		t.Error("accepting before Serve")
	default:
	}
	if err := e.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- e.Serve(context.Background()) }()
	<-e.Accepting()
	e.Close()
	if err := <-done; !errors.Is(err, core.ErrServerClosed) {
		t.Error(err)
	}
	failed := idle(t)
	if err := failed.Serve(t.Context()); err == nil {
		t.Error("served nothing")
	}
	select {
	case <-failed.Accepting():
		t.Error("accepting after a failure")
	default:
	}
}

// TestShutdownEndsHandshakesFirst: whoever was accepted is served, because on a
// passed socket nobody else will.
func TestShutdownEndsHandshakesFirst(t *testing.T) {
	d := newDraining()
	n := start(t, nil, d)
	raw, err := net.Dial("tcp4", n.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for n.Handshakes() == 0 {
		runtime.Gosched()
	}
	stopped := make(chan error, 1)
	go func() { stopped <- n.Shutdown(t.Context()) }()
	for {
		nc, err := net.Dial("tcp4", n.addr)
		if err != nil {
			break // nothing new is taken
		}
		nc.Close()
	}
	tc := tls.Client(tcpconn.New(raw.(*net.TCPConn)), offer(nil, "alknet/drain"))
	if err := tc.HandshakeContext(t.Context()); err != nil {
		t.Fatalf("a handshake in flight was cut: %v", err)
	}
	s, err := core.NewDialedStreamConn(tc, "alknet/drain").OpenStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	d.expect(t, "drain")
	close(d.finish)
	d.expect(t, "handler finished")
	s.Close()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestCloseCutsHandshakes at once, and does not wait for clients that are silent.
func TestCloseCutsHandshakes(t *testing.T) {
	n := start(t, nil, answer("alknet/ssh"))
	raw, err := net.Dial("tcp4", n.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for n.Handshakes() == 0 {
		runtime.Gosched()
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if _, err := raw.Read(make([]byte, 1)); err == nil {
		t.Error("the client was answered")
	}
}
