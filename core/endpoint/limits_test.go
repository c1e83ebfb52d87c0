package endpoint_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/core/endpoint"
	"github.com/alkdev/alknet/core/internal/quicconn"
)

func limited(limits config.Limits) func(*endpoint.Endpoint) {
	return func(e *endpoint.Endpoint) {
		e.CountLoopback()
		e.Limits = func() config.Limits { return limits }
	}
}

// refused dials and reports whether the node ended the connection unserved.
func refused(t *testing.T, dial dialFunc, addr, alpn string) bool {
	t.Helper()
	conn, err := dial(t, addr, offer(nil, alpn))
	if err != nil {
		return true
	}
	_, err = ask(conn)
	return err != nil
}

func TestUnprovenConnectionsPerAddress(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			n := start(t, limited(config.Limits{ConnsPerIP: 2}), holding("alknet/shell"))
			known := nodeCertificate(t)
			n.configure(t, config.Dynamic{Peers: []auth.Peer{peer("laptop", known)}})
			var held []core.Connection
			for range 2 {
				conn := mustDial(t, transport.dial, n.addr, offer(nil, "alknet/shell"))
				hold(t, conn)
				held = append(held, conn)
			}
			if !refused(t, transport.dial, n.addr, "alknet/shell") {
				t.Error("a third unproven connection is served")
			}
			// A peer at the same address is not locked out by strangers.
			for range 3 {
				hold(t, mustDial(t, transport.dial, n.addr, offer(&known, "alknet/shell")))
			}
			// Another address has its own share.
			elsewhere := func(t testing.TB) (core.Connection, error) {
				if transport.name == "tcp" {
					return dialTCPFrom(t, "127.0.0.2", n.addr, offer(nil, "alknet/shell"))
				}
				return dialQUICFrom(t, clientTransport(t, "127.0.0.2"), n.addr, offer(nil, "alknet/shell"))
			}
			conn, err := elsewhere(t)
			if err != nil {
				t.Fatal(err)
			}
			hold(t, conn)
			// What ends makes room.
			held[0].Close(core.CodeNone, "")
			until(t, func() bool { return len(n.Connections()) == 5 })
			hold(t, mustDial(t, transport.dial, n.addr, offer(nil, "alknet/shell")))
			if !strings.Contains(n.log.String(), "reason=limit") {
				t.Error("the refusal was not logged")
			}
		})
	}
}

// until yields to the goroutines that bring a state about.
func until(t testing.TB, reached func() bool) {
	t.Helper()
	limit, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !reached() {
		if limit.Err() != nil {
			t.Fatal("what the test waits for does not come about")
		}
		runtime.Gosched()
	}
}

func TestConnectionsPerIdentity(t *testing.T) {
	n := start(t, limited(config.Limits{ConnsPerIdentity: 2}), holding("alknet/shell"))
	known := nodeCertificate(t)
	n.configure(t, config.Dynamic{Peers: []auth.Peer{peer("laptop", known)}})
	hold(t, mustDial(t, dialQUIC, n.addr, offer(&known, "alknet/shell")))
	hold(t, mustDial(t, dialTCP, n.addr, offer(&known, "alknet/shell")))
	conn := mustDial(t, dialQUIC, n.addr, offer(&known, "alknet/shell"))
	closedWith(t, conn, core.CodeLimit)
	hold(t, mustDial(t, dialQUIC, n.addr, offer(nil, "alknet/shell")))
}

func TestProofMovesAConnectionToItsIdentity(t *testing.T) {
	known := nodeCertificate(t)
	proofs := make(chan error, 10)
	var n *node
	n = start(t, limited(config.Limits{ConnsPerIP: 1, ConnsPerIdentity: 2}),
		core.HandlerFunc("alknet/late", func(ctx context.Context, conn core.Connection, who *core.AuthContext) error {
			id, err := n.store.ByKey(ctx, auth.CertificateKey(known.Leaf))
			if err != nil {
				return err
			}
			err = who.Prove(id)
			proofs <- err
			if err != nil {
				return err
			}
			s, err := conn.AcceptStream(ctx)
			if err != nil {
				return err
			}
			io.WriteString(s, "held")
			_, err = io.Copy(io.Discard, s)
			return err
		}))
	n.configure(t, config.Dynamic{Peers: []auth.Peer{peer("late", known)}})
	for range 2 {
		hold(t, mustDial(t, dialQUIC, n.addr, offer(nil, "alknet/late")))
		if err := <-proofs; err != nil {
			t.Fatal(err)
		}
	}
	conn := mustDial(t, dialQUIC, n.addr, offer(nil, "alknet/late"))
	var he *core.HandlerError
	if err := <-proofs; !errors.As(err, &he) || he.Code != core.CodeLimit {
		t.Errorf("third proof: %v", err)
	}
	closedWith(t, conn, core.CodeLimit)
	n.configure(t, config.Dynamic{})
	if _, err := dialQUIC(t, n.addr, offer(nil, "alknet/late")); err != nil {
		t.Error(err)
	}
}

// firstPackets catches the first packet of count QUIC dials, as an attacker
// would make them.
func firstPackets(t *testing.T, count int) [][]byte {
	t.Helper()
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	var packets [][]byte
	for range count {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		tr := clientTransport(t, "127.0.0.1")
		go func() {
			defer close(ended)
			config := offer(nil, "alknet/ssh")
			config.CurvePreferences = smallKeyShare // the ClientHello fits one packet
			tr.Dial(ctx, sink.LocalAddr(), config, quicconn.DialConfig())
		}()
		buf := make([]byte, 2048)
		n, _, err := sink.ReadFromUDP(buf)
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, buf[:n])
		cancel()
		<-ended
		tr.Close()
	}
	return packets
}

func flood(t *testing.T, from, to string, packets [][]byte) {
	t.Helper()
	socket, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.ParseIP(from)}, udpAddr(t, to))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, p := range packets {
		if _, err := socket.Write(p); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
	}
}

// Packets in a victim's name, whose answers nobody takes, cost the victim
// nothing.
func TestForgedSourcesUseUpNobodysShare(t *testing.T) {
	n := start(t, limited(config.Limits{ConnsPerIP: 1, RetryAbove: 4, HandshakeTimeout: time.Minute}), holding("alknet/ssh"))
	const victim = "127.0.0.77"
	flood(t, victim, n.addr, firstPackets(t, 20))
	until(t, func() bool { return n.Handshakes() >= 4 || strings.Contains(n.log.String(), "reason=limit") })
	conn, err := dialQUICFrom(t, clientTransport(t, victim), n.addr, offer(nil, "alknet/ssh"))
	if err != nil {
		t.Fatalf("the victim is locked out: %v", err)
	}
	hold(t, conn)
	if got := n.Handshakes(); got > 4 {
		t.Errorf("%d forged handshakes in flight, want 4 at most: Retry was not demanded", got)
	}
	if strings.Contains(n.log.String(), victim+":") && strings.Contains(n.log.String(), "handshake failed") {
		t.Error("the log accuses the victim")
	}
}

// A client that does answer the Retry counts from its first handshake packet.
func TestValidatedHandshakesCountPerAddress(t *testing.T) {
	limits := config.Limits{ConnsPerIP: 1, RetryAbove: 1, Handshakes: 8, HandshakeTimeout: time.Minute}
	n := start(t, limited(limits), holding("alknet/ssh"))
	flood(t, "127.0.0.66", n.addr, firstPackets(t, 1)) // Retry from here on
	until(t, func() bool { return n.Handshakes() == 1 })
	conn, err := dialQUICFrom(t, clientTransport(t, "127.0.0.5"), n.addr, offer(nil, "alknet/ssh"))
	if err != nil {
		t.Fatal(err)
	}
	hold(t, conn)
	second, err := dialQUICFrom(t, clientTransport(t, "127.0.0.5"), n.addr, offer(nil, "alknet/ssh"))
	if err != nil {
		t.Fatal(err)
	}
	closedWith(t, second, core.CodeLimit)
}

func TestHalfOpenHandshakesAreBounded(t *testing.T) {
	const slots = 16
	limits := config.Limits{Handshakes: slots, RetryAbove: slots, ConnsPerIP: 1000, HandshakeTimeout: time.Minute}
	t.Run("tcp", func(t *testing.T) {
		n := start(t, limited(limits), holding("alknet/ssh"))
		before := runtime.NumGoroutine()
		var conns []net.Conn
		idle := func(ip string) {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
			for range 5 * slots {
				nc, err := dialer.DialContext(t.Context(), "tcp4", n.addr)
				if err != nil {
					t.Fatal(err)
				}
				conns = append(conns, nc)
			}
		}
		// One source does not take the slots of everybody.
		idle("127.0.0.2")
		until(t, func() bool { return n.Handshakes() == slots || strings.Contains(n.log.String(), "reason=limit") })
		if got := n.Handshakes(); got != slots/2 {
			t.Fatalf("one source has %d handshakes in flight, want %d", got, slots/2)
		}
		hold(t, mustDial(t, dialTCP, n.addr, offer(nil, "alknet/ssh")))
		idle("127.0.0.3")
		until(t, func() bool { return n.Handshakes() == slots })
		if grown := runtime.NumGoroutine() - before; grown > 3*slots {
			t.Errorf("%d goroutines for %d handshakes", grown, slots)
		}
		for _, nc := range conns {
			nc.Close()
		}
		until(t, func() bool { return n.Handshakes() == 0 })
		hold(t, mustDial(t, dialTCP, n.addr, offer(nil, "alknet/ssh")))
	})
	t.Run("quic", func(t *testing.T) {
		packets := firstPackets(t, 10*slots)
		n := start(t, limited(limits), holding("alknet/ssh"))
		before := runtime.NumGoroutine()
		flood(t, "127.0.0.66", n.addr, packets)
		until(t, func() bool { return n.Handshakes() == slots })
		if grown := runtime.NumGoroutine() - before; grown > 6*slots {
			t.Errorf("%d goroutines for %d handshakes", grown, slots)
		}
		if _, err := dialQUIC(t, n.addr, offer(nil, "alknet/ssh")); err == nil {
			t.Error("a handshake beyond the cap")
		} else if refused := (*quic.TransportError)(nil); !errors.As(err, &refused) || refused.ErrorCode != quic.ConnectionRefused {
			t.Errorf("got %v, want CONNECTION_REFUSED", err)
		}
	})
}

func TestHandshakeTimeout(t *testing.T) {
	n := start(t, limited(config.Limits{HandshakeTimeout: 20 * time.Millisecond}), holding("alknet/ssh"))
	nc, err := net.Dial("tcp4", n.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.Copy(io.Discard, nc) // until the node ends it
	flood(t, "127.0.0.66", n.addr, firstPackets(t, 1))
	until(t, func() bool { return n.Handshakes() == 0 && strings.Contains(n.log.String(), "reason=timeout") })
}

// smallKeyShare leaves the post-quantum key share out.
var smallKeyShare = []tls.CurveID{tls.X25519}
