package udpconn_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core/internal/udpconn"
)

func serverTLS(tb testing.TB) *tls.Config {
	tb.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, pub, priv)
	if err != nil {
		tb.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: priv}},
		NextProtos:   []string{"test"},
	}
}

// quicPair connects two quic-go transports over loopback.
func quicPair(tb testing.TB, enable bool) (client, server *quic.Conn, stats *udpconn.Stats) {
	tb.Helper()
	var trs [2]*quic.Transport
	for i := range trs {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			tb.Fatal(err)
		}
		conn, s := udpconn.Wrap(c, enable)
		stats = s // of the server
		trs[i] = &quic.Transport{Conn: conn}
		tb.Cleanup(func() { trs[i].Close(); c.Close() })
	}
	ln, err := trs[1].Listen(serverTLS(tb), nil)
	if err != nil {
		tb.Fatal(err)
	}
	ctx := context.Background()
	client, err = trs[0].Dial(ctx, ln.Addr(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"test"}}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	if server, err = ln.Accept(ctx); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.CloseWithError(0, ""); server.CloseWithError(0, ""); ln.Close() })
	return client, server, stats
}

// pattern is a reader whose bytes tell their place.
type pattern int

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte((int(*p) + i) % 251)
	}
	*p += pattern(len(b))
	return len(b), nil
}

// checker is a writer that wants what pattern reads.
type checker int

func (c *checker) Write(b []byte) (int, error) {
	for i := range b {
		if b[i] != byte((int(*c)+i)%251) {
			return i, errors.New("data changed")
		}
	}
	*c += checker(len(b))
	return len(b), nil
}

func transfer(tb testing.TB, client, server *quic.Conn, n int64, src io.Reader, dst io.Writer) {
	tb.Helper()
	sent := make(chan error, 1)
	go func() {
		s, err := client.OpenUniStream()
		if err == nil {
			_, err = io.CopyN(s, src, n)
			s.Close()
		}
		sent <- err
	}()
	s, err := server.AcceptUniStream(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	got, err := io.Copy(dst, s)
	if err != nil || got != n {
		tb.Fatalf("received %d bytes, want %d: %v", got, n, err)
	}
	if err := <-sent; err != nil {
		tb.Fatal(err)
	}
}

func TestQUICBulk(t *testing.T) {
	for _, enable := range []bool{true, false} {
		client, server, stats := quicPair(t, enable)
		transfer(t, client, server, 16<<20, new(pattern), new(checker))
		transfer(t, server, client, 16<<20, new(pattern), new(checker))
		t.Logf("enable %v: %d datagrams, %d joined, %d reads", enable, stats.Datagrams(), stats.Joined(), stats.Reads())
		if stats.Dropped() != 0 {
			t.Errorf("dropped %d", stats.Dropped())
		}
		if stats != nil && stats.Joined() == 0 {
			t.Error("a bulk transfer over loopback joined nothing")
		}
	}
}

// BenchmarkQUICBulk compares the wrapper with the bare socket on one stream.
func BenchmarkQUICBulk(b *testing.B) {
	const size = 32 << 20
	for _, bb := range []struct {
		name   string
		enable bool
	}{{"bare", false}, {"gro", true}} {
		b.Run(bb.name, func(b *testing.B) {
			client, server, _ := quicPair(b, bb.enable)
			b.SetBytes(size)
			for b.Loop() {
				transfer(b, client, server, size, zeros{}, io.Discard)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
