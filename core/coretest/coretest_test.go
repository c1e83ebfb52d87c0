package coretest_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/coretest"
	"github.com/alkdev/alknet/core/internal/tcpconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPair(t *testing.T) {
	coretest.TestConnection(t, func(*testing.T) (core.Connection, core.Connection) {
		return coretest.Pair("example.org/test")
	})
}

func TestStreamPair(t *testing.T) {
	coretest.TestConnection(t, func(*testing.T) (core.Connection, core.Connection) {
		return coretest.StreamPair("example.org/test")
	})
}

// socketPair connects over a listener and returns both ends.
func socketPair(t *testing.T, network, addr string) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err = net.Dial(network, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

func TestTLS(t *testing.T) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pub, priv)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{
			Certificates:       []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: priv}},
			NextProtos:         []string{"example.org/test"},
			MinVersion:         tls.VersionTLS12,
			MaxVersion:         version,
			InsecureSkipVerify: true, // the test is not about certificates
		}
		t.Run(tls.VersionName(version), func(t *testing.T) {
			coretest.TestConnection(t, func(t *testing.T) (core.Connection, core.Connection) {
				c, s := socketPair(t, "tcp", "127.0.0.1:0")
				client := tls.Client(tcpconn.New(c.(*net.TCPConn)), config)
				server := tls.Server(tcpconn.New(s.(*net.TCPConn)), config)
				shaken := make(chan error)
				go func() { shaken <- client.Handshake() }()
				if err := errors.Join(server.Handshake(), <-shaken); err != nil {
					t.Fatal(err)
				}
				return core.NewDialedStreamConn(client, "example.org/test"), core.NewStreamConn(server, "example.org/test")
			})
		})
	}
}

func TestTCP(t *testing.T) {
	coretest.TestConnection(t, func(t *testing.T) (core.Connection, core.Connection) {
		c, s := socketPair(t, "tcp", "127.0.0.1:0")
		return core.NewDialedStreamConn(c, "example.org/test"), core.NewStreamConn(s, "example.org/test")
	})
}

func TestUnixSocket(t *testing.T) {
	coretest.TestConnection(t, func(t *testing.T) (core.Connection, core.Connection) {
		c, s := socketPair(t, "unix", filepath.Join(t.TempDir(), "s"))
		return core.NewDialedStreamConn(c, "example.org/test"), core.NewStreamConn(s, "example.org/test")
	}, coretest.CannotCut)
}

func TestStreamLimit(t *testing.T) {
	client, server := coretest.Pair("example.org/test", coretest.StreamLimit(1))
	defer client.Close(core.CodeNone, "")
	first, err := client.OpenStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan error)
	go func() {
		_, err := client.OpenStream(ctx)
		cancelled <- err
	}()
	cancel()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	opened := make(chan error)
	go func() {
		_, err := client.OpenStream(t.Context())
		opened <- err
	}()
	first.Close()
	s, err := server.AcceptStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := <-opened; err != nil {
		t.Error(err)
	}
	if _, err := server.OpenStream(t.Context()); err != nil {
		t.Error("the limit of the other side:", err)
	}
}
