package endpoint_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/core/endpoint"
	"github.com/alkdev/alknet/core/internal/quicconn"
)

func peer(name string, cert tls.Certificate) auth.Peer {
	return auth.Peer{Name: name, Keys: []auth.Key{auth.CertificateKey(cert.Leaf)}}
}

func TestIdentityOfTheClientKey(t *testing.T) {
	n := start(t, nil, whoami("alknet/who"))
	listed, disabled, expired, unlisted := nodeCertificate(t), nodeCertificate(t), nodeCertificate(t), nodeCertificate(t)
	off, late := peer("off", disabled), peer("late", expired)
	off.Disabled = true
	late.Expires = time.Now().Add(-time.Hour)
	n.configure(t, config.Dynamic{Peers: []auth.Peer{peer("laptop", listed), off, late}})
	for _, transport := range transports {
		for _, test := range []struct {
			name string
			cert *tls.Certificate
			want string
		}{
			{"listed", &listed, "peer laptop"},
			{"disabled", &disabled, "nobody"},
			{"expired", &expired, "nobody"},
			{"unlisted", &unlisted, "nobody"},
			{"none", nil, "nobody"},
		} {
			t.Run(transport.name+" "+test.name, func(t *testing.T) {
				conn := mustDial(t, transport.dial, n.addr, offer(test.cert, "alknet/who"))
				mustAsk(t, conn, test.want)
			})
		}
	}
	for _, want := range []string{"auth attempt", "result=accept", auth.ErrDisabled.Error(), auth.ErrExpired.Error(), auth.ErrUnknownKey.Error()} {
		if !strings.Contains(n.log.String(), want) {
			t.Errorf("log lacks %q", want)
		}
	}
}

func TestWithoutIdentitiesEverybodyIsNobody(t *testing.T) {
	n := start(t, func(e *endpoint.Endpoint) { e.Identities, e.Changed, e.Limits = nil, nil, nil }, whoami("alknet/who"))
	cert := nodeCertificate(t)
	mustAsk(t, mustDial(t, dialQUIC, n.addr, offer(&cert, "alknet/who")), "nobody")
}

func TestPanicEndsItsOwnConnectionOnly(t *testing.T) {
	n := start(t, nil, answer("alknet/echo"), core.HandlerFunc("alknet/panic", func(context.Context, core.Connection, *core.AuthContext) error {
		panic("on purpose")
	}))
	for _, transport := range transports {
		other := mustDial(t, dialQUIC, n.addr, offer(nil, "alknet/echo"))
		conn := mustDial(t, transport.dial, n.addr, offer(nil, "alknet/panic"))
		if _, err := ask(conn); err == nil {
			t.Errorf("%s: a panic reads as success", transport.name)
		}
		mustAsk(t, other, "alknet/echo")
	}
	if !strings.Contains(n.log.String(), "on purpose") {
		t.Error("the panic was not logged")
	}
}

func TestDataWrittenJustBeforeReturnArrives(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	n := start(t, nil, core.HandlerFunc("alknet/last", func(ctx context.Context, conn core.Connection, _ *core.AuthContext) error {
		s, err := conn.AcceptStream(ctx)
		if err != nil {
			return err
		}
		if _, err := s.Write(data); err != nil {
			return err
		}
		return s.CloseWrite()
	}))
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			conn := mustDial(t, transport.dial, n.addr, offer(nil, "alknet/last"))
			got, err := ask(conn)
			if err != nil || got != string(data) {
				t.Errorf("got %d bytes, %v; want %d", len(got), err, len(data))
			}
		})
	}
}

func TestCutTCPStreamIsUnexpectedEOF(t *testing.T) {
	result := make(chan error, 1)
	n := start(t, nil, core.HandlerFunc("alknet/read", func(ctx context.Context, conn core.Connection, _ *core.AuthContext) error {
		s, err := conn.AcceptStream(ctx)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, s)
		result <- err
		return err
	}))
	for _, test := range []struct {
		name string
		end  func(core.Connection, core.Stream)
		want error
	}{
		{"raw FIN", func(c core.Connection, s core.Stream) { c.Raw().(*tls.Conn).NetConn().Close() }, io.ErrUnexpectedEOF},
		{"close_notify", func(c core.Connection, s core.Stream) { s.CloseWrite() }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := mustDial(t, dialTCP, n.addr, offer(nil, "alknet/read"))
			s := open(t, conn)
			if _, err := s.Write([]byte("half a message")); err != nil {
				t.Fatal(err)
			}
			test.end(conn, s)
			if err := <-result; !errors.Is(err, test.want) {
				t.Errorf("handler read %v, want %v", err, test.want)
			}
		})
	}
}

// holding serves a connection until its peer or its context ends it.
func holding(alpn string) core.ProtocolHandler {
	return core.HandlerFunc(alpn, func(ctx context.Context, conn core.Connection, who *core.AuthContext) error {
		s, err := conn.AcceptStream(ctx)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(s, "held"); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, s)
		return err
	})
}

// hold opens a stream on conn and waits until its handler runs.
func hold(t testing.TB, conn core.Connection) core.Stream {
	t.Helper()
	s := open(t, conn)
	if _, err := s.Write([]byte{'?'}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(s, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	return s
}

func wantEnd(t *testing.T, transport string, conn core.Connection, s core.Stream, code uint64) {
	t.Helper()
	if _, err := io.Copy(io.Discard, s); err == nil {
		t.Errorf("%s: the end reads as a complete stream", transport)
	}
	if transport == "quic" { // TCP has no room for a code
		closedWith(t, conn, code)
	}
}

func TestRemovedPeerIsCutOff(t *testing.T) {
	for _, change := range []struct {
		name string
		to   func(auth.Peer) []auth.Peer
	}{
		{"removed", func(auth.Peer) []auth.Peer { return nil }},
		{"disabled", func(p auth.Peer) []auth.Peer { p.Disabled = true; return []auth.Peer{p} }},
		{"expires", func(p auth.Peer) []auth.Peer {
			p.Expires = time.Now().Add(50 * time.Millisecond)
			return []auth.Peer{p}
		}},
	} {
		for _, transport := range transports {
			t.Run(change.name+" "+transport.name, func(t *testing.T) {
				n := start(t, nil, holding("alknet/shell"))
				gone, stays := nodeCertificate(t), nodeCertificate(t)
				n.configure(t, config.Dynamic{Peers: []auth.Peer{peer("gone", gone), peer("stays", stays)}})
				conn := mustDial(t, transport.dial, n.addr, offer(&gone, "alknet/shell"))
				s := hold(t, conn)
				other := mustDial(t, transport.dial, n.addr, offer(&stays, "alknet/shell"))
				hold(t, other)
				n.configure(t, config.Dynamic{Peers: append(change.to(peer("gone", gone)), peer("stays", stays))})
				wantEnd(t, transport.name, conn, s, core.CodeRevoked)
				infos := n.Connections()
				for len(infos) != 1 {
					infos = n.Connections()
				}
				if infos[0].Peer != "stays" || infos[0].ALPN != "alknet/shell" || infos[0].Transport != transport.name {
					t.Errorf("left over: %+v", infos[0])
				}
			})
		}
	}
}

func TestProvedIdentityIsRevokedToo(t *testing.T) {
	var n *node
	cert := nodeCertificate(t)
	n = start(t, nil, core.HandlerFunc("alknet/late", func(ctx context.Context, conn core.Connection, who *core.AuthContext) error {
		id, err := n.store.ByKey(ctx, auth.CertificateKey(cert.Leaf)) // as a protocol's own proof would
		if err != nil {
			return err
		}
		if err := who.Prove(id); err != nil {
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
	n.configure(t, config.Dynamic{Peers: []auth.Peer{peer("late", cert)}})
	conn := mustDial(t, dialQUIC, n.addr, offer(nil, "alknet/late"))
	hold(t, conn)
	if infos := n.Connections(); len(infos) != 1 || infos[0].Peer != "late" {
		t.Errorf("connections: %+v", infos)
	}
	n.configure(t, config.Dynamic{})
	closedWith(t, conn, core.CodeRevoked)
}

type countingMetrics struct{ opened, closed, failed atomic.Int32 }

func (m *countingMetrics) HandshakeFailed(transport, reason string)                 { m.failed.Add(1) }
func (m *countingMetrics) ConnectionOpened(transport, alpn string)                  { m.opened.Add(1) }
func (m *countingMetrics) ConnectionClosed(transport, alpn string, _ time.Duration) { m.closed.Add(1) }

func TestMetricsAndLogsCarryNoServerName(t *testing.T) {
	metrics := &countingMetrics{}
	n := start(t, func(e *endpoint.Endpoint) { e.Metrics = metrics }, answer("alknet/ssh"), answer("http/1.1"), answer("h3"))
	for _, transport := range transports {
		config := offer(nil, "alknet/ssh")
		config.ServerName = "secret.example"
		conn := mustDial(t, transport.dial, n.addr, config)
		mustAsk(t, conn, "alknet/ssh")
		conn.Close(core.CodeNone, "")
		config = config.Clone()
		config.NextProtos = []string{"unknown/1"}
		if _, err := transport.dial(t, n.addr, config); err == nil {
			t.Error("unknown protocol was accepted")
		}
	}
	until(t, func() bool { return metrics.failed.Load() == 2 })
	n.Close()
	if metrics.opened.Load() != 2 || metrics.closed.Load() != 2 || metrics.failed.Load() != 2 {
		t.Errorf("opened %d, closed %d, failed %d", metrics.opened.Load(), metrics.closed.Load(), metrics.failed.Load())
	}
	log := n.log.String()
	if strings.Contains(log, "secret.example") {
		t.Error("the log names the server name")
	}
	if got := strings.Count(log, "handshake failed"); got != 1 { // the QUIC client's address was never validated
		t.Errorf("%d lines for failed handshakes:\n%s", got, log)
	}
	if got := strings.Count(log, "connection closed"); got != 2 {
		t.Errorf("%d lines for connections:\n%s", got, log)
	}
}

func TestRestartIsNoticedAtOnce(t *testing.T) {
	var addr string
	keys := func(e *endpoint.Endpoint) {
		e.StatelessResetKey, e.TokenKey = [32]byte{1}, [32]byte{2}
		if addr != "" {
			if err := e.Listen(addr); err != nil {
				t.Fatal(err)
			}
		}
	}
	first := start(t, keys, holding("alknet/shell"))
	addr = first.addr
	conn := mustDial(t, dialQUIC, addr, offer(nil, "alknet/shell"))
	s := hold(t, conn)
	first.Kill()
	<-first.served
	first.served <- core.ErrServerClosed
	start(t, keys, holding("alknet/shell"))
	if _, err := s.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	var reset *quic.StatelessResetError
	if _, err := s.Read(make([]byte, 1)); !errors.As(err, &reset) || !errors.Is(err, core.ErrConnectionClosed) {
		t.Errorf("client saw %v", err)
	}
}

func TestManyConnectionsAtOnce(t *testing.T) {
	n := start(t, nil, answer("alknet/ssh"))
	done := make(chan error)
	tr := clientTransport(t, "127.0.0.1")
	const count = 50
	for i := range count {
		go func() {
			if i%2 == 0 {
				conn, err := dialTCP(t, n.addr, offer(nil, "alknet/ssh"))
				if err == nil {
					_, err = ask(conn)
				}
				done <- err
				return
			}
			qc, err := tr.Dial(t.Context(), udpAddr(t, n.addr), offer(nil, "alknet/ssh"), quicconn.DialConfig())
			if err == nil {
				_, err = ask(quicconn.Dialed(qc))
			}
			done <- err
		}()
	}
	for range count {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := n.Handshakes(); got != 0 {
		t.Errorf("%d handshakes in flight after all have ended", got)
	}
	if fmt.Sprint(n.Addrs()) == "" {
		t.Error("no addresses")
	}
}
