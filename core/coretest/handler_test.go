package coretest_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/coretest"
)

// loopback is a small handler with a Drainer.
type loopback struct{}

func (loopback) ALPNs() []string { return []string{"example.org/loopback"} }

func (loopback) Handle(ctx context.Context, conn core.Connection, _ *core.AuthContext) error {
	for {
		s, err := conn.AcceptStream(ctx)
		if err != nil {
			return err
		}
		go func() {
			defer s.Close()
			io.Copy(s, s)
		}()
	}
}

func (loopback) Drain(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestHandlerSuite(t *testing.T) {
	coretest.TestHandler(t, func(*testing.T) core.ProtocolHandler { return loopback{} })
}

// TestBubble shows that time passes at once while both ends wait.
func TestBubble(t *testing.T) {
	for name, pair := range map[string]func(string, ...coretest.Option) (core.Connection, core.Connection){
		"streams": coretest.Pair, "single stream": coretest.StreamPair,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := pair("example.org/loopback")
				go loopback{}.Handle(t.Context(), server, nil)
				s, err := client.OpenStream(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(s, "x")
				io.ReadFull(s, make([]byte, 1))
				s.SetReadDeadline(time.Now().Add(time.Hour))
				began := time.Now()
				var timeout interface{ Timeout() bool }
				if _, err := s.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
					t.Error(err)
				}
				if d := time.Since(began); d != time.Hour {
					t.Errorf("waited %v of the bubble's time", d)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if _, err := client.AcceptStream(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				client.Close(core.CodeNone, "")
			})
		})
	}
}

func TestAuth(t *testing.T) {
	client, server := coretest.Pair("example.org/test", coretest.NoDatagrams())
	defer client.Close(core.CodeNone, "")
	a := coretest.Auth(t, server, "alice", "ssh:shell")
	if a.Identity.Name != "alice" || a.Identity.IsZero() || a.Key.IsZero() || a.ALPN != "example.org/test" || a.RemoteAddr != server.RemoteAddr() {
		t.Errorf("%+v", a)
	}
	if b := coretest.Auth(t, server, "bob"); b.Key == a.Key {
		t.Error("two peers have one key")
	}
	if !coretest.Auth(t, server, "").Identity.IsZero() {
		t.Error("nobody is somebody")
	}
	if _, ok := client.(core.DatagramConnection); ok {
		t.Error("datagrams although switched off")
	}
}
