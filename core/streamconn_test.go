package core_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/coretest"
)

// The contract itself is tested by the suite in coretest; here is what only a
// single-stream connection has.

func TestStreamConnPeerLeavesSilently(t *testing.T) {
	for _, tt := range []struct {
		name  string
		leave func(core.Connection)
		want  error // beside ErrConnectionClosed
	}{
		{"closes", func(c core.Connection) { c.Close(core.CodeNone, "") }, net.ErrClosed},
		{"is cut", func(c core.Connection) { c.Close(core.CodeInternal, "") }, net.ErrClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := coretest.StreamPair(testALPN)
			tt.leave(client)
			for range 2 {
				if _, err := server.AcceptStream(t.Context()); !errors.Is(err, core.ErrConnectionClosed) || !errors.Is(err, tt.want) {
					t.Error(err)
				}
			}
			<-server.Context().Done()
		})
	}
}

// TestStreamConnLingerBesideAccept: a goroutine that still waits for a stream
// when its handler returns does not lose the data that is on its way.
func TestStreamConnLingerBesideAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := coretest.StreamPair(testALPN)
		accepted := make(chan error, 1)
		go func() {
			_, err := server.AcceptStream(t.Context())
			accepted <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		core.Linger(ctx, server)
		if err := server.Context().Err(); err != nil {
			t.Error("lingering ended the connection:", context.Cause(server.Context()))
		}
		server.Close(core.CodeNone, "")
		if err := <-accepted; !errors.Is(err, core.ErrConnectionClosed) {
			t.Error("AcceptStream:", err)
		}
		client.Close(core.CodeNone, "")
	})
}

// TestStreamConnWithoutHalfClose runs over net.Pipe, which has none.
func TestStreamConnWithoutHalfClose(t *testing.T) {
	a, b := net.Pipe()
	client, server := core.NewDialedStreamConn(a, testALPN), core.NewStreamConn(b, testALPN)
	c, err := client.OpenStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	go io.WriteString(c, "x")
	s, err := server.AcceptStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Error("CloseWrite:", err)
	}
	if err := s.Close(); err != nil {
		t.Error("Close:", err)
	}
	<-server.Context().Done()
	if _, err := io.ReadAll(c); err != nil {
		t.Error(err)
	}
	client.Close(core.CodeNone, "")
}

func TestStreamConnWithoutTLS(t *testing.T) {
	client, server := coretest.StreamPair(testALPN)
	if client.TLS() != nil || client.Raw() != nil {
		t.Error("TLS where there is none")
	}
	client.Close(core.CodeNone, "")
	server.Close(core.CodeNone, "")
}
