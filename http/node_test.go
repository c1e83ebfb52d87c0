package alkhttp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	alkhttp "github.com/alkdev/alknet/http"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a server behind a router on one loopback port, TCP and UDP.
type node struct {
	t      *testing.T
	web    *alkhttp.Server
	router core.Router
	addr   string
	roots  *x509.CertPool
	cert   tls.Certificate

	stop context.CancelFunc
	ctx  context.Context
	wg   sync.WaitGroup
}

func start(t *testing.T, web *alkhttp.Server) *node {
	t.Helper()
	n := &node{t: t, web: web}
	n.router.Linger = 100 * time.Millisecond
	if err := n.router.Register(web); err != nil {
		t.Fatal(err)
	}
	n.ctx, n.stop = context.WithCancel(context.Background())
	n.cert, n.roots = certificate(t)
	tcp, udp := listen(t)
	n.addr = tcp.Addr().String()
	ql, err := quic.Listen(udp, n.tls("h3"), &quic.Config{MaxIncomingStreams: 256, MaxIdleTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	tl := tls.NewListener(tcp, n.tls("h2", "http/1.1"))
	n.wg.Go(func() { n.acceptTCP(tl) })
	n.wg.Go(func() { n.acceptQUIC(ql) })
	t.Cleanup(func() {
		n.stop()
		tl.Close()
		ql.Close()
		n.wg.Wait()
		udp.Close()
	})
	return n
}

func (n *node) tls(protos ...string) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{n.cert}, NextProtos: protos}
}

func (n *node) acceptTCP(l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		n.wg.Go(func() {
			tc := nc.(*tls.Conn)
			if err := tc.HandshakeContext(n.ctx); err != nil {
				nc.Close()
				return
			}
			alpn := tc.ConnectionState().NegotiatedProtocol
			if alpn == "" {
				alpn = "http/1.1"
			}
			n.dispatch(core.NewStreamConn(tc, alpn))
		})
	}
}

func (n *node) acceptQUIC(l *quic.Listener) {
	for {
		qc, err := l.Accept(n.ctx)
		if err != nil {
			return
		}
		n.wg.Go(func() { n.dispatch(&quicConn{qc}) })
	}
}

func (n *node) dispatch(conn core.Connection) {
	who := core.NewAuthContext(core.Identity{}, auth.Key{}, conn.ALPN(), conn.RemoteAddr(), nil)
	if err := n.router.Dispatch(n.ctx, conn, who); err != nil && n.ctx.Err() == nil {
		n.t.Logf("dispatch %s: %v", conn.ALPN(), err)
	}
}

// quicConn is as much of a Connection as HTTP/3 needs.
type quicConn struct{ qc *quic.Conn }

func (c *quicConn) AcceptStream(context.Context) (core.Stream, error) {
	return nil, errors.New("not in this test")
}
func (c *quicConn) OpenStream(context.Context) (core.Stream, error) {
	return nil, core.ErrStreamUnavailable
}
func (c *quicConn) ALPN() string             { return c.qc.ConnectionState().TLS.NegotiatedProtocol }
func (c *quicConn) LocalAddr() net.Addr      { return c.qc.LocalAddr() }
func (c *quicConn) RemoteAddr() net.Addr     { return c.qc.RemoteAddr() }
func (c *quicConn) Context() context.Context { return c.qc.Context() }
func (c *quicConn) Raw() any                 { return c.qc }
func (c *quicConn) TLS() *tls.ConnectionState {
	s := c.qc.ConnectionState().TLS
	return &s
}
func (c *quicConn) Close(code uint64, reason string) error {
	return c.qc.CloseWithError(quic.ApplicationErrorCode(code), reason)
}

func listen(t *testing.T) (net.Listener, *net.UDPConn) {
	t.Helper()
	for range 20 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tcp.Addr().(*net.TCPAddr).Port})
		if err == nil {
			return tcp, udp
		}
		tcp.Close()
	}
	t.Fatal("no port is free on both transports")
	return nil, nil
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(12 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

var protocols = []string{"http/1.1", "h2", "h3"}

// client returns a client of one protocol. Its connections end with the test.
func (n *node) client(proto string) *http.Client {
	n.t.Helper()
	conf := &tls.Config{RootCAs: n.roots, ServerName: "localhost"}
	if proto == "h3" {
		tr := &http3.Transport{TLSClientConfig: conf, QUICConfig: &quic.Config{MaxIdleTimeout: 30 * time.Second}}
		n.t.Cleanup(func() { tr.Close() })
		return &http.Client{Transport: tr}
	}
	var p http.Protocols
	p.SetHTTP1(proto == "http/1.1")
	p.SetHTTP2(proto == "h2")
	tr := &http.Transport{TLSClientConfig: conf, Protocols: &p, DisableCompression: true}
	n.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func (n *node) url(path string) string { return "https://" + n.addr + path }

// dial opens a raw TLS connection.
func (n *node) dial(alpn string) *tls.Conn {
	n.t.Helper()
	c, err := tls.Dial("tcp", n.addr, &tls.Config{RootCAs: n.roots, ServerName: "localhost", NextProtos: []string{alpn}})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.Close() })
	return c
}

// dialQUIC opens a raw QUIC connection.
func (n *node) dialQUIC() *quic.Conn {
	n.t.Helper()
	c, err := quic.DialAddr(n.ctx, n.addr, &tls.Config{RootCAs: n.roots, ServerName: "localhost", NextProtos: []string{"h3"}}, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.CloseWithError(0, "") })
	return c
}

type answer struct {
	status int
	header http.Header
	body   string
	proto  string
}

func (n *node) do(c *http.Client, method, path string, header http.Header, body io.Reader) answer {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), method, n.url(path), body)
	if err != nil {
		n.t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := c.Do(req)
	if err != nil {
		n.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatalf("%s %s: read body: %v", method, path, err)
	}
	return answer{res.StatusCode, res.Header, string(b), res.Proto}
}

func each(t *testing.T, f func(t *testing.T, proto string)) {
	for _, proto := range protocols {
		t.Run(proto, func(t *testing.T) { f(t, proto) })
	}
}

// records keeps what is logged, one record a string.
type records struct {
	mu    sync.Mutex
	lines []string
}

func (r *records) logger() *slog.Logger { return slog.New(slog.NewTextHandler(r, nil)) }

func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, string(p))
	return len(p), nil
}

func (r *records) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprint(r.lines)
}
