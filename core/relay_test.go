package core_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/coretest"
)

// relay copies what one stream of upstream brings.
func relay(upstream core.Connection) core.ProtocolHandler {
	return handler(func(ctx context.Context, conn core.Connection, _ *core.AuthContext) error {
		from, err := upstream.AcceptStream(ctx)
		if err != nil {
			return err
		}
		to, err := conn.AcceptStream(ctx)
		if err != nil {
			return err
		}
		if _, err := io.Copy(to, from); err != nil {
			return err
		}
		return to.Close()
	})
}

type pairFunc func(string, ...coretest.Option) (client, server core.Connection)

var pairs = []struct {
	name string
	make pairFunc
}{{"many streams", coretest.Pair}, {"single stream", coretest.StreamPair}}

// write opens a stream and writes text to it.
func write(t *testing.T, conn core.Connection, text string) core.Stream {
	t.Helper()
	s, err := conn.OpenStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(s, text); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDispatchRelayCut: what was cut on its way to a relay reads as cut behind
// it too.
func TestDispatchRelayCut(t *testing.T) {
	for _, p := range pairs {
		for _, half := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, half closed %v", p.name, half), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, server := p.make(testALPN)
					source, upstream := p.make("upstream")
					var r core.Router
					r.Register(relay(upstream))
					result := make(chan error, 1)
					go func() { result <- r.Dispatch(t.Context(), server, nil) }()
					s := write(t, client, "?")
					if half {
						s.CloseWrite()
					}
					write(t, source, "half of")
					synctest.Wait()
					source.Close(core.CodeInternal, "cut")
					if got, err := io.ReadAll(s); err == nil {
						t.Errorf("%q reads as complete", got)
					}
					if err := <-result; !errors.Is(err, core.ErrConnectionClosed) {
						t.Errorf("Dispatch: %v; want the cut of the upstream", err)
					}
					client.Close(core.CodeNone, "")
					upstream.Close(core.CodeNone, "")
				})
			})
		}
	}
}

// TestDispatchOwnEnd: a peer that goes is no failure, whatever way it goes.
func TestDispatchOwnEnd(t *testing.T) {
	for _, p := range pairs {
		for _, code := range []uint64{core.CodeNone, core.CodeInternal} {
			t.Run(fmt.Sprintf("%s, code %#x", p.name, code), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, server := p.make(testALPN)
					var r core.Router
					r.Register(handler(func(ctx context.Context, conn core.Connection, _ *core.AuthContext) error {
						s, err := conn.AcceptStream(ctx)
						if err != nil {
							return err
						}
						if _, err := io.Copy(io.Discard, s); err != nil {
							return fmt.Errorf("read: %w", err)
						}
						s.Close()
						_, err = conn.AcceptStream(ctx)
						return err
					}))
					result := make(chan error, 1)
					go func() { result <- r.Dispatch(t.Context(), server, nil) }()
					write(t, client, "?")
					synctest.Wait()
					client.Close(code, "")
					if err := <-result; err != nil {
						t.Errorf("Dispatch: %v", err)
					}
				})
			})
		}
	}
}
