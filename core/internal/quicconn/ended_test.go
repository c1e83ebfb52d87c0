package quicconn_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/internal/quicconn"
)

// slowSocket is long over every packet once it is told so, as CONNECTION_CLOSE
// that goes out between the end of the streams and that of the context.
type slowSocket struct {
	net.PacketConn
	slow atomic.Bool
}

func (s *slowSocket) WriteTo(p []byte, to net.Addr) (int, error) {
	if s.slow.Load() {
		<-time.After(30 * time.Millisecond)
	}
	return s.PacketConn.WriteTo(p, to)
}

// What reports the end of the connection does so once its context has ended,
// so that a handler's error can be told from that of another connection.
func TestContextHasEndedWhenMethodsSaySo(t *testing.T) {
	for _, wait := range []struct {
		name string
		end  func(core.Connection, core.Stream) error
	}{
		{"Read", func(_ core.Connection, s core.Stream) error { return readErr(s) }},
		{"Write", func(_ core.Connection, s core.Stream) error {
			for {
				if _, err := s.Write(make([]byte, 1<<20)); err != nil {
					return err
				}
			}
		}},
		{"AcceptStream", func(c core.Connection, _ core.Stream) error {
			_, err := c.AcceptStream(context.Background())
			return err
		}},
		{"ReceiveDatagram", func(c core.Connection, _ core.Stream) error {
			_, err := c.(core.DatagramConnection).ReceiveDatagram(context.Background())
			return err
		}},
	} {
		t.Run(wait.name, func(t *testing.T) {
			udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			socket := &slowSocket{PacketConn: udp}
			tr := &quic.Transport{Conn: socket}
			t.Cleanup(func() { tr.Close(); udp.Close() })
			listening := transport(t)
			ln, err := listening.Listen(&tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"alknet/test"}}, quicconn.Config())
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			qc, err := tr.Dial(t.Context(), ln.Addr(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"alknet/test"}}, quicconn.DialConfig())
			if err != nil {
				t.Fatal(err)
			}
			conn := quicconn.Dialed(qc)
			s, err := conn.OpenStream(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			type outcome struct{ err, ended error }
			got := make(chan outcome)
			go func() {
				err := wait.end(conn, s)
				got <- outcome{err, conn.Context().Err()}
			}()
			socket.slow.Store(true)
			conn.Close(core.CodeForbidden, "")
			o := <-got
			var ce *core.CloseError
			if !errors.As(o.err, &ce) || ce.Code != core.CodeForbidden || o.ended == nil {
				t.Errorf("got %v, and the context %v", o.err, o.ended)
			}
		})
	}
}
