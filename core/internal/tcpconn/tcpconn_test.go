package tcpconn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/alkdev/alknet/core/internal/tcpconn"
)

func tcpPair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialed, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

func TestTruncated(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(client *tls.Conn)
		want bool
	}{
		{"close_notify", func(c *tls.Conn) { c.CloseWrite() }, false},
		{"close_notify and FIN", func(c *tls.Conn) { c.Close() }, false},
		{"FIN", func(c *tls.Conn) { c.NetConn().Close() }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, s := tcpPair(t)
			below := tcpconn.New(s)
			client := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			server := tls.Server(below, &tls.Config{Certificates: []tls.Certificate{certificate(t)}})
			go func() {
				client.Write([]byte("data"))
				test.end(client)
			}()
			if got, err := io.ReadAll(server); err != nil || string(got) != "data" {
				t.Fatalf("got %q, %v", got, err)
			}
			if got := below.Truncated(); got != test.want {
				t.Errorf("Truncated: got %v, want %v", got, test.want)
			}
		})
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
