package dial_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"go.uber.org/goleak"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/dial"
	"github.com/alkdev/alknet/core/internal/quicconn"
	"github.com/alkdev/alknet/core/internal/tcpconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const alpn = "alknet/test"

// node is a node key with its certificate, whose dates are long over.
type node struct {
	cert  tls.Certificate
	id    auth.NodeID
	shown *atomic.Int32 // signatures made with the key
}

// spy counts signatures: who shows a certificate in TLS 1.3 signs, and has
// done so when the handshake is over or given up.
type spy struct {
	ed25519.PrivateKey
	count *atomic.Int32
}

func (s spy) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.count.Add(1)
	return s.PrivateKey.Sign(r, digest, opts)
}

func newNode(t testing.TB) node {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)}
	count := new(atomic.Int32)
	cert := certificate(t, template, template, pub, priv, spy{priv, count})
	return node{cert, auth.NodeID(pub), count}
}

func certificate(t testing.TB, template, parent *x509.Certificate, pub crypto.PublicKey, signer, key crypto.PrivateKey) tls.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// authority returns a pool and a certificate that its CA issued.
func authority(t testing.TB, names ...string) (*x509.CertPool, tls.Certificate) {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	root := certificate(t, ca, ca, caKey.Public(), caKey, caKey)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), DNSNames: names}
	pool := x509.NewCertPool()
	pool.AddCert(root.Leaf)
	return pool, certificate(t, leaf, root.Leaf, key.Public(), caKey, key)
}

// server is a node that echoes streams, on one port number.
type server struct {
	cert        tls.Certificate
	alpns       []string // nil: alpn
	ip          string   // "": 127.0.0.1
	noQUIC      bool     // the UDP port is closed
	swallow     bool     // the UDP port is open and silent
	noTCP       bool
	closeQUIC   uint64               // if set, connections are closed with this code
	quicCert    *tls.Certificate     // if it differs from cert
	rejectKeys  bool                 // refuse every client certificate in the handshake
	accepted    chan core.Connection // if set, takes the connections instead of an echo
	addr        netip.AddrPort
	mu          sync.Mutex
	keys        []auth.Key // of clients whose handshake was finished; zero for none
	names       []string   // SNI of each ClientHello
	datagrams   int        // swallowed
	connections int        // TCP, accepted
}

func (s *server) start(t testing.TB) *server {
	t.Helper()
	if s.ip == "" {
		s.ip = "127.0.0.1"
	}
	tcp, udp := s.listen(t)
	s.addr = netip.MustParseAddrPort(tcp.Addr().String())
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { tcp.Close() })
	if s.noTCP {
		tcp.Close()
	} else {
		wg.Go(func() { s.serveTCP(t, tcp, &wg) })
	}
	switch {
	case s.noQUIC:
		udp.Close()
	case s.swallow:
		t.Cleanup(func() { udp.Close() })
		wg.Go(func() {
			for buf := make([]byte, 2000); ; {
				if _, _, err := udp.ReadFrom(buf); err != nil {
					return
				}
				s.note(func() { s.datagrams++ })
			}
		})
	default:
		s.serveQUIC(t, udp, &wg)
	}
	return s
}

func (s *server) listen(t testing.TB) (*net.TCPListener, *net.UDPConn) {
	t.Helper()
	for range 50 {
		tcp, err := net.Listen("tcp", net.JoinHostPort(s.ip, "0"))
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return tcp.(*net.TCPListener), udp.(*net.UDPConn)
		}
		tcp.Close()
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
	t.Fatal("no port is free for both transports")
	return nil, nil
}

func (s *server) note(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *server) config(cert tls.Certificate) *tls.Config {
	alpns := s.alpns
	if alpns == nil {
		alpns = []string{alpn}
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.RequestClientCert,
		NextProtos:   alpns,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			s.note(func() { s.names = append(s.names, hello.ServerName) })
			return nil, nil
		},
		VerifyConnection: func(cs tls.ConnectionState) error {
			var key auth.Key
			if len(cs.PeerCertificates) > 0 {
				key = auth.CertificateKey(cs.PeerCertificates[0])
			}
			s.note(func() { s.keys = append(s.keys, key) })
			if s.rejectKeys && !key.IsZero() {
				return errors.New("not this key")
			}
			return nil
		},
	}
}

func (s *server) serveTCP(t testing.TB, ln *net.TCPListener, wg *sync.WaitGroup) {
	config := s.config(s.cert)
	for {
		nc, err := ln.AcceptTCP()
		if err != nil {
			return
		}
		s.note(func() { s.connections++ })
		stop := context.AfterFunc(t.Context(), func() { nc.Close() })
		wg.Go(func() {
			defer stop()
			tc := tls.Server(tcpconn.New(nc), config)
			if err := tc.Handshake(); err != nil {
				nc.Close()
				return
			}
			s.serve(t.Context(), core.NewStreamConn(tc, alpn))
		})
	}
}

func (s *server) serveQUIC(t testing.TB, udp *net.UDPConn, wg *sync.WaitGroup) {
	cert := s.cert
	if s.quicCert != nil {
		cert = *s.quicCert
	}
	tr := &quic.Transport{Conn: udp}
	ln, err := tr.Listen(s.config(cert), quicconn.Config())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); ln.Close(); tr.Close(); udp.Close() })
	wg.Go(func() {
		for {
			qc, err := ln.Accept(ctx)
			if err != nil {
				return
			}
			if s.closeQUIC != 0 {
				qc.CloseWithError(quic.ApplicationErrorCode(s.closeQUIC), "go away")
				continue
			}
			wg.Go(func() { s.serve(ctx, quicconn.Accepted(qc)) })
		}
	})
}

func (s *server) serve(ctx context.Context, c core.Connection) {
	if s.accepted == nil {
		serveConn(ctx, c)
		return
	}
	s.accepted <- c
}

// serveConn echoes until the connection or ctx ends.
func serveConn(ctx context.Context, c core.Connection) {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer c.Close(core.CodeNone, "")
	for {
		st, err := c.AcceptStream(ctx)
		if err != nil {
			return
		}
		wg.Go(func() {
			io.Copy(st, st)
			st.Close()
		})
	}
}

// clients returns the keys of clients so far.
func (s *server) clients() []auth.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]auth.Key(nil), s.keys...)
}

// serverNames returns the SNI of the handshakes so far.
func (s *server) serverNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.names...)
}

// packets is how much has arrived on either transport.
func (s *server) packets() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.datagrams + s.connections + len(s.names)
}

func (s *server) target(id auth.NodeID) dial.Target {
	return dial.Target{ID: id, Host: s.ip, Port: s.addr.Port()}
}

func (s *server) named(host string) dial.Target {
	return dial.Target{Host: host, Port: s.addr.Port()}
}

// newDialer resolves every name to 127.0.0.1 and trusts no authority.
func newDialer(t testing.TB, me node) *dial.Dialer {
	t.Helper()
	return &dial.Dialer{
		Certificate: func(context.Context) (*tls.Certificate, error) { return &me.cert, nil },
		RootCAs:     x509.NewCertPool(),
		KnownNodes:  &dial.KnownNodes{Path: filepath.Join(t.TempDir(), "known_nodes")},
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
	}
}

func mustDial(t testing.TB, d *dial.Dialer, r dial.Request) (core.Connection, dial.Info) {
	t.Helper()
	conn, info, err := tryDial(t, d, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(core.CodeNone, "") })
	return conn, info
}

func tryDial(t testing.TB, d *dial.Dialer, r dial.Request) (core.Connection, dial.Info, error) {
	t.Helper()
	if r.ALPN == "" {
		r.ALPN = alpn
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return d.Dial(ctx, r)
}

// wantError dials and returns the error as the type wanted.
func wantError[E error](t testing.TB, d *dial.Dialer, r dial.Request) E {
	t.Helper()
	conn, _, err := tryDial(t, d, r)
	if err == nil {
		conn.Close(core.CodeNone, "")
		t.Fatalf("dial %v succeeded", r.Target)
	}
	var want E
	if !errors.As(err, &want) {
		t.Fatalf("got %T %v, want a %T", err, err, want)
	}
	return want
}

// echo proves that the connection works.
func echo(t testing.TB, conn core.Connection) {
	t.Helper()
	st, err := conn.OpenStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	const text = "there and back"
	if _, err := st.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(st, got); err != nil || string(got) != text {
		t.Fatalf("echo: got %q, %v", got, err)
	}
}
