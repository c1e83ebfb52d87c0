package dial_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/dial"
	"github.com/alkdev/alknet/core/internal/quicconn"
)

var transports = []struct {
	name string
	via  dial.Via
	want dial.Transport
}{
	{"quic", dial.OnlyQUIC, dial.QUIC},
	{"tcp", dial.OnlyTCP, dial.TCP},
}

func TestDialByNodeID(t *testing.T) {
	for _, test := range transports {
		t.Run(test.name, func(t *testing.T) {
			n, me := newNode(t), newNode(t)
			s := (&server{cert: n.cert}).start(t)
			d := newDialer(t, me)
			conn, info := mustDial(t, d, dial.Request{Target: s.target(n.id), Via: test.via})
			echo(t, conn)
			if id, ok := info.NodeID(); !ok || id != n.id || info.Trust != dial.TrustPin {
				t.Errorf("got id %v trusted by %v", id, info.Trust)
			}
			if info.Transport != test.want || info.ALPN != alpn || info.TLS != tls.VersionTLS13 || info.KEX != tls.X25519MLKEM768 {
				t.Errorf("got %+v", info)
			}
			if info.RTT <= 0 || info.Handshake < info.RTT {
				t.Errorf("got RTT %v, handshake %v", info.RTT, info.Handshake)
			}
			if info.Addr.String() != s.addr.String() {
				t.Errorf("got address %v, want %v", info.Addr, s.addr)
			}
			if got := s.serverNames(); !slices.Equal(got, []string{""}) {
				t.Errorf("server names sent: %q, want one that is empty", got)
			}
			if got := s.clients(); !slices.Equal(got, []auth.Key{me.id.Key()}) {
				t.Errorf("server saw keys %v, want %v", got, me.id.Key())
			}
		})
	}
}

func TestNodeIDWithNameSendsNoName(t *testing.T) {
	n := newNode(t)
	s := (&server{cert: n.cert}).start(t)
	d := newDialer(t, newNode(t))
	target := s.named("secret.example")
	target.ID = n.id
	for _, test := range transports {
		mustDial(t, d, dial.Request{Target: target, Via: test.via})
	}
	if got := s.serverNames(); !slices.Equal(got, []string{"", ""}) {
		t.Errorf("server names sent: %q", got)
	}
}

func TestQUICWinsWhenBothAnswer(t *testing.T) {
	n := newNode(t)
	s := (&server{cert: n.cert}).start(t)
	_, info := mustDial(t, newDialer(t, newNode(t)), dial.Request{Target: s.target(n.id)})
	if info.Transport != dial.QUIC || info.UDPBlocked || info.TCPBlocked {
		t.Errorf("got %+v", info)
	}
}

func TestBulkPrefersTCP(t *testing.T) {
	n := newNode(t)
	s := (&server{cert: n.cert}).start(t)
	_, info := mustDial(t, newDialer(t, newNode(t)), dial.Request{Target: s.target(n.id), Purpose: dial.Bulk})
	if info.Transport != dial.TCP || info.UDPBlocked {
		t.Errorf("got %+v", info)
	}
}

func TestBlockedUDPIsRemembered(t *testing.T) {
	n := newNode(t)
	both, tcp := []dial.Transport{dial.QUIC, dial.TCP}, []dial.Transport{dial.TCP}
	for _, test := range []struct {
		name     string
		server   *server
		attempts [][]dial.Transport // of each dial
	}{
		{"silent", &server{cert: n.cert, swallow: true}, [][]dial.Transport{both, both, both, tcp}},
		{"refused", &server{cert: n.cert, noQUIC: true}, [][]dial.Transport{both, tcp}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := test.server.start(t)
			d := newDialer(t, newNode(t))
			var mu sync.Mutex
			var started []dial.Transport
			d.OnStart(func(tr dial.Transport, _ string) {
				mu.Lock()
				defer mu.Unlock()
				started = append(started, tr)
			})
			for i, want := range test.attempts {
				started = nil
				conn, info := mustDial(t, d, dial.Request{Target: s.target(n.id)})
				echo(t, conn)
				if info.Transport != dial.TCP || !info.UDPBlocked {
					t.Errorf("dial %d: got %+v", i, info)
				}
				if !slices.Equal(started, want) {
					t.Errorf("dial %d: attempts: got %v, want %v", i, started, want)
				}
			}
		})
	}
}

func TestTCPDown(t *testing.T) {
	n := newNode(t)
	s := (&server{cert: n.cert, noTCP: true}).start(t)
	_, info := mustDial(t, newDialer(t, newNode(t)), dial.Request{Target: s.target(n.id), Purpose: dial.Bulk})
	if info.Transport != dial.QUIC || !info.TCPBlocked {
		t.Errorf("got %+v", info)
	}
}

func TestNobodyThere(t *testing.T) {
	s := (&server{noTCP: true, noQUIC: true}).start(t)
	d := newDialer(t, newNode(t))
	err := wantError[*dial.UnreachableError](t, d, dial.Request{Target: s.target(newNode(t).id)})
	if !errors.Is(err, dial.ErrUnreachable) || errors.Is(err, dial.ErrNotTrusted) || len(err.Attempts) != 2 {
		t.Errorf("got %v", err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		t.Error("looks like the caller's deadline")
	}
}

func TestIPv6Only(t *testing.T) {
	n := newNode(t)
	s := (&server{cert: n.cert, ip: "::1"}).start(t)
	for _, test := range transports {
		conn, _ := mustDial(t, newDialer(t, newNode(t)), dial.Request{Target: s.target(n.id), Via: test.via})
		echo(t, conn)
	}
}

func TestSecondAddressOfAName(t *testing.T) {
	n := newNode(t)
	s := (&server{cert: n.cert}).start(t)
	d := newDialer(t, newNode(t))
	d.Lookup = func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.1")}, nil
	}
	target := s.named("node.example")
	target.ID = n.id
	for _, test := range transports {
		_, info := mustDial(t, d, dial.Request{Target: target, Via: test.via})
		if info.Addr.String() != s.addr.String() {
			t.Errorf("%v: got %v, want %v", test.want, info.Addr, s.addr)
		}
	}
}

func TestDiscovery(t *testing.T) {
	n := newNode(t)
	s := (&server{cert: n.cert}).start(t)
	d := newDialer(t, newNode(t))
	request := dial.Request{Target: dial.Target{ID: n.id}}
	if err := wantError[*dial.NoAddressError](t, d, request); !errors.Is(err, dial.ErrUnreachable) || !strings.Contains(err.Error(), "@host:port") {
		t.Errorf("got %v", err)
	}
	d = newDialer(t, newNode(t))
	d.Resolve = func(_ context.Context, id auth.NodeID) ([]dial.Target, error) {
		if id != n.id {
			t.Errorf("asked for %v", id)
		}
		return []dial.Target{s.named("127.0.0.1")}, nil
	}
	conn, _ := mustDial(t, d, request)
	echo(t, conn)
}

func TestProtocolNotServed(t *testing.T) {
	n := newNode(t)
	s := (&server{cert: n.cert, alpns: []string{"alknet/other"}}).start(t)
	for _, via := range []dial.Via{dial.Auto, dial.OnlyQUIC, dial.OnlyTCP} {
		err := wantError[*dial.NoProtocolError](t, newDialer(t, newNode(t)), dial.Request{Target: s.target(n.id), Via: via})
		if err.ALPN != alpn || errors.Is(err, dial.ErrUnreachable) {
			t.Errorf("%v: got %v", via, err)
		}
	}
}

// A TCP server without any protocol names lets every offer pass.
func TestServerThatNegotiatesNothing(t *testing.T) {
	n := newNode(t)
	s := (&server{cert: n.cert, alpns: []string{}, noQUIC: true}).start(t)
	me := newNode(t)
	wantError[*dial.NoProtocolError](t, newDialer(t, me), dial.Request{Target: s.target(n.id), Via: dial.OnlyTCP})
	wantNotShown(t, me)
}

func TestRefused(t *testing.T) {
	n := newNode(t)
	s := (&server{cert: n.cert, closeQUIC: core.CodeForbidden}).start(t)
	conn, _ := mustDial(t, newDialer(t, newNode(t)), dial.Request{Target: s.target(n.id), Via: dial.OnlyQUIC})
	_, err := conn.AcceptStream(t.Context())
	if !dial.Refused(err) || !errors.Is(err, core.ErrConnectionClosed) {
		t.Errorf("got %v", err)
	}
	for _, err := range []error{nil, core.ErrConnectionClosed, &core.CloseError{Code: core.CodeForbidden}, &core.CloseError{Code: core.CodeShutdown, Remote: true}} {
		if dial.Refused(err) {
			t.Errorf("%v counts as refused", err)
		}
	}
}

// The alert arrives after the client's handshake is over, or just before.
func TestRefusedInTheHandshake(t *testing.T) {
	for _, test := range transports {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t)
			s := (&server{cert: n.cert, rejectKeys: true}).start(t)
			conn, _, err := tryDial(t, newDialer(t, newNode(t)), dial.Request{Target: s.target(n.id), Via: test.via})
			if err == nil {
				defer conn.Close(core.CodeNone, "")
				var st core.Stream
				if st, err = conn.OpenStream(t.Context()); err == nil {
					_, err = st.Read(make([]byte, 1))
				}
			}
			if !dial.Refused(err) || errors.Is(err, dial.ErrUnreachable) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSharedTransportAndOneself(t *testing.T) {
	n := newNode(t)
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	tr := &quic.Transport{Conn: udp}
	ln, err := tr.Listen((&server{}).config(n.cert), quicconn.Config())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); ln.Close(); wg.Wait(); tr.Close(); udp.Close() })
	wg.Go(func() {
		for {
			qc, err := ln.Accept(ctx)
			if err != nil {
				return
			}
			wg.Go(func() { serveConn(ctx, quicconn.Accepted(qc)) })
		}
	})
	d := newDialer(t, n)
	addr := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	d.Transport = func(remote netip.Addr) *quic.Transport {
		if remote != addr.Addr() {
			t.Errorf("asked for %v", remote)
		}
		return tr
	}
	for range 2 {
		conn, info := mustDial(t, d, dial.Request{Target: dial.Target{ID: n.id, Host: "127.0.0.1", Port: addr.Port()}})
		echo(t, conn)
		if info.Transport != dial.QUIC || conn.LocalAddr().String() != addr.String() {
			t.Errorf("got %v from %v", info.Transport, conn.LocalAddr())
		}
		conn.Close(core.CodeNone, "")
	}
}

func TestContextEndsDial(t *testing.T) {
	n := newNode(t)
	s := (&server{cert: n.cert, swallow: true, noTCP: true}).start(t)
	d := newDialer(t, newNode(t))
	ctx, cancel := context.WithCancel(t.Context())
	d.OnStart(func(dial.Transport, string) { cancel() })
	_, _, err := d.Dial(ctx, dial.Request{Target: s.target(n.id), ALPN: alpn})
	if !errors.Is(err, context.Canceled) || errors.Is(err, dial.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}

func TestDialWantsTargetAndProtocol(t *testing.T) {
	d := newDialer(t, newNode(t))
	for _, r := range []dial.Request{{}, {ALPN: alpn}, {Target: dial.Target{Host: "127.0.0.1", Port: 1}}} {
		if _, _, err := d.Dial(t.Context(), r); err == nil {
			t.Errorf("%+v was dialled", r)
		}
	}
}
