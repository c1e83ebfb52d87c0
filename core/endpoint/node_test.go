package endpoint_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"go.uber.org/goleak"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/core/endpoint"
	"github.com/alkdev/alknet/core/internal/quicconn"
	"github.com/alkdev/alknet/core/internal/tcpconn"
	"github.com/alkdev/alknet/core/tlsconf"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func nodeCertificate(t testing.TB) tls.Certificate {
	t.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// node is an endpoint under test with everything around it.
type node struct {
	*endpoint.Endpoint
	store  *config.Store
	log    *logBuffer
	addr   string
	served chan error
}

// start serves handlers on loopback; set may change the endpoint before.
func start(t testing.TB, set func(*endpoint.Endpoint), handlers ...core.ProtocolHandler) *node {
	t.Helper()
	store, err := config.NewStore(auth.Key{}, config.Dynamic{})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{store: store, log: &logBuffer{}, served: make(chan error, 1)}
	logger := slog.New(slog.NewTextHandler(n.log, nil))
	router := &core.Router{Logger: logger}
	for _, h := range handlers {
		if err := router.Register(h); err != nil {
			t.Fatal(err)
		}
	}
	webKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n.Endpoint = &endpoint.Endpoint{
		Router:     router,
		TLS:        &tlsconf.Server{Node: nodeCertificate(t), Web: &tlsconf.WebCertificates{Key: func(uint64) (crypto.Signer, error) { return webKey, nil }}},
		Identities: store,
		Changed:    store.Changed,
		Limits:     store.Limits,
		Logger:     logger,
	}
	if set != nil {
		set(n.Endpoint)
	}
	if n.Addrs() == nil {
		if err := n.Listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	n.addr = n.Addrs()[0]
	go func() { n.served <- n.Serve(context.Background()) }()
	t.Cleanup(func() {
		n.Close()
		if err := <-n.served; !errors.Is(err, core.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return n
}

func (n *node) configure(t testing.TB, d config.Dynamic) {
	t.Helper()
	if err := n.store.Swap(d); err != nil {
		t.Fatal(err)
	}
}

// logBuffer is a log that is read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type dialFunc func(t testing.TB, addr string, config *tls.Config) (core.Connection, error)

var transports = []struct {
	name string
	dial dialFunc
	web  string
}{
	{"quic", dialQUIC, "h3"},
	{"tcp", dialTCP, "http/1.1"},
}

// offer is a client's TLS configuration.
func offer(cert *tls.Certificate, alpns ...string) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true, NextProtos: alpns}
	if cert != nil {
		c.Certificates = []tls.Certificate{*cert}
	}
	return c
}

func dialQUIC(t testing.TB, addr string, config *tls.Config) (core.Connection, error) {
	t.Helper()
	return dialQUICFrom(t, clientTransport(t, loopback(addr)), addr, config)
}

// loopback is where dials of addr come from.
func loopback(addr string) string {
	if strings.HasPrefix(addr, "[") {
		return "::1"
	}
	return "127.0.0.1"
}

func clientTransport(t testing.TB, ip string) *quic.Transport {
	t.Helper()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	tr := &quic.Transport{Conn: udp, ConnectionIDLength: 8}
	t.Cleanup(func() { tr.Close(); udp.Close() })
	return tr
}

func dialQUICFrom(t testing.TB, tr *quic.Transport, addr string, config *tls.Config) (core.Connection, error) {
	t.Helper()
	qc, err := tr.Dial(t.Context(), udpAddr(t, addr), config, quicconn.DialConfig())
	if err != nil {
		return nil, err
	}
	conn := quicconn.Dialed(qc)
	t.Cleanup(func() { conn.Close(core.CodeNone, "") })
	return conn, nil
}

func udpAddr(t testing.TB, addr string) *net.UDPAddr {
	t.Helper()
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func dialTCP(t testing.TB, addr string, config *tls.Config) (core.Connection, error) {
	t.Helper()
	return dialTCPFrom(t, loopback(addr), addr, config)
}

func dialTCPFrom(t testing.TB, ip, addr string, config *tls.Config) (core.Connection, error) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	nc, err := dialer.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	tc := tls.Client(tcpconn.New(nc.(*net.TCPConn)), config)
	if err := tc.HandshakeContext(t.Context()); err != nil {
		nc.Close()
		return nil, err
	}
	conn := core.NewDialedStreamConn(tc, tc.ConnectionState().NegotiatedProtocol)
	t.Cleanup(func() { conn.Close(core.CodeNone, "") })
	return conn, nil
}

func mustDial(t testing.TB, dial dialFunc, addr string, config *tls.Config) core.Connection {
	t.Helper()
	conn, err := dial(t, addr, config)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func open(t testing.TB, conn core.Connection) core.Stream {
	t.Helper()
	s, err := conn.OpenStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask writes one byte and reads all that comes back.
func ask(conn core.Connection) (string, error) {
	s, err := conn.OpenStream(context.Background())
	if err != nil {
		return "", err
	}
	defer s.Close()
	if _, err := s.Write([]byte{'?'}); err != nil {
		return "", err
	}
	got, err := io.ReadAll(s)
	return string(got), err
}

func mustAsk(t testing.TB, conn core.Connection, want string) {
	t.Helper()
	if got, err := ask(conn); err != nil || got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

// answering serves each stream with answer until the connection ends.
func answering(alpn string, answer func(*core.AuthContext) string) core.ProtocolHandler {
	return core.HandlerFunc(alpn, func(ctx context.Context, conn core.Connection, who *core.AuthContext) error {
		for {
			s, err := conn.AcceptStream(ctx)
			if err != nil {
				return err
			}
			if _, err := io.ReadFull(s, make([]byte, 1)); err != nil {
				return err
			}
			if _, err := io.WriteString(s, answer(who)); err != nil {
				return err
			}
			if err := s.Close(); err != nil {
				return err
			}
		}
	})
}

func answer(alpn string) core.ProtocolHandler {
	return answering(alpn, func(*core.AuthContext) string { return alpn })
}

func whoami(alpn string) core.ProtocolHandler {
	return answering(alpn, func(who *core.AuthContext) string { return who.Who().String() })
}

// closedWith is the code of a connection's end.
func closedWith(t testing.TB, conn core.Connection, code uint64) {
	t.Helper()
	<-conn.Context().Done()
	var ce *core.CloseError
	if _, err := conn.AcceptStream(context.Background()); !errors.As(err, &ce) || ce.Code != code || !ce.Remote {
		t.Errorf("closed with %v, want code %#x", err, code)
	}
}
