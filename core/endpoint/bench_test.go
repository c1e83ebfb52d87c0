package endpoint_test

import (
	"context"
	"crypto/tls"
	"io"
	"runtime"
	"testing"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/internal/quicconn"
)

// bare is a QUIC server with nothing on top that holds every connection.
func bare(b *testing.B, cert tls.Certificate, serve func(*quic.Conn)) string {
	b.Helper()
	tr := clientTransport(b, "127.0.0.1")
	ln, err := tr.Listen(&tls.Config{
		Certificates: []tls.Certificate{cert}, NextProtos: []string{"alknet/bench"},
		ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true,
	}, quicconn.Config())
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		for {
			qc, err := ln.Accept(context.Background())
			if err != nil {
				return
			}
			go serve(qc)
		}
	}()
	b.Cleanup(func() { ln.Close() })
	return tr.Conn.LocalAddr().String()
}

// BenchmarkIdleConnection reports the memory of both ends of a connection that
// does nothing, beside that of quic-go alone.
func BenchmarkIdleConnection(b *testing.B) {
	cert := nodeCertificate(b)
	b.Run("bare", func(b *testing.B) {
		addr := bare(b, cert, func(qc *quic.Conn) { qc.AcceptStream(context.Background()) })
		idleMemory(b, addr, &cert)
	})
	b.Run("endpoint", func(b *testing.B) {
		n := start(b, nil, holding("alknet/bench"))
		idleMemory(b, n.addr, &cert)
	})
}

func idleMemory(b *testing.B, addr string, cert *tls.Certificate) {
	const count = 300
	tr := clientTransport(b, "127.0.0.1")
	before := memory()
	for range count {
		if _, err := tr.Dial(b.Context(), udpAddr(b, addr), offer(cert, "alknet/bench"), quicconn.DialConfig()); err != nil {
			b.Fatal(err)
		}
	}
	used := memory() - before
	for b.Loop() {
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(used)/count, "B/conn")
}

func memory() int64 {
	for range 3 { // stacks shrink by half each time
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// BenchmarkBulk sends to the server, by quic-go alone and through an endpoint.
func BenchmarkBulk(b *testing.B) {
	cert := nodeCertificate(b)
	b.Run("bare", func(b *testing.B) {
		addr := bare(b, cert, func(qc *quic.Conn) {
			s, err := qc.AcceptStream(context.Background())
			if err != nil {
				return
			}
			io.CopyBuffer(io.Discard, onlyReader{s}, make([]byte, 64<<10))
			s.Close()
		})
		qc, err := clientTransport(b, "127.0.0.1").Dial(b.Context(), udpAddr(b, addr), offer(&cert, "alknet/bench"), quicconn.DialConfig())
		if err != nil {
			b.Fatal(err)
		}
		s, err := qc.OpenStream()
		if err != nil {
			b.Fatal(err)
		}
		bulk(b, s, s.Close)
	})
	b.Run("endpoint", func(b *testing.B) {
		n := start(b, nil, core.HandlerFunc("alknet/bench", func(ctx context.Context, conn core.Connection, _ *core.AuthContext) error {
			s, err := conn.AcceptStream(ctx)
			if err != nil {
				return err
			}
			io.CopyBuffer(io.Discard, onlyReader{s}, make([]byte, 64<<10))
			return s.Close()
		}))
		s := open(b, mustDial(b, dialQUIC, n.addr, offer(&cert, "alknet/bench")))
		bulk(b, s, s.CloseWrite)
	})
}

type onlyReader struct{ io.Reader }

func bulk(b *testing.B, s io.ReadWriter, closeWrite func() error) {
	chunk := make([]byte, 1<<20)
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		if _, err := s.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
	closeWrite()
	io.Copy(io.Discard, s)
}
