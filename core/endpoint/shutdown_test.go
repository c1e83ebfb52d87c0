package endpoint_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/endpoint"
	"github.com/alkdev/alknet/core/internal/quicconn"
)

// draining is a handler that reports the stages of its node's end.
type draining struct {
	stages chan string
	finish chan struct{} // closed by the test: the client may be let go
}

func newDraining() *draining {
	return &draining{stages: make(chan string, 10), finish: make(chan struct{})}
}

func (d *draining) ALPNs() []string { return []string{"alknet/drain"} }

func (d *draining) Handle(ctx context.Context, conn core.Connection, _ *core.AuthContext) error {
	s, err := conn.AcceptStream(ctx)
	if err != nil {
		return err
	}
	io.WriteString(s, "held")
	select {
	case <-d.finish:
		d.stages <- "handler finished"
		return s.CloseWrite()
	case <-ctx.Done():
		d.stages <- "hard stop"
		return ctx.Err()
	}
}

func (d *draining) Drain(context.Context) error {
	d.stages <- "drain"
	return nil
}

func (d *draining) expect(t *testing.T, want string) {
	t.Helper()
	if got := <-d.stages; got != want {
		t.Errorf("stage %q, want %q", got, want)
	}
}

func TestDrainOrder(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			d := newDraining()
			n := start(t, func(e *endpoint.Endpoint) { e.DrainTimeout = time.Minute }, d)
			conn := mustDial(t, transport.dial, n.addr, offer(nil, "alknet/drain"))
			s := hold(t, conn)
			stopped := make(chan error, 2)
			go func() { stopped <- n.Shutdown(context.Background()) }()
			d.expect(t, "drain")
			// Nobody new, while the connection goes on.
			if _, err := net.Dial("tcp", n.addr); err == nil {
				t.Error("TCP still accepts")
			}
			if !quicIsDeaf(t, n.addr) {
				t.Error("QUIC still accepts")
			}
			go func() { stopped <- n.Shutdown(context.Background()) }()
			select {
			case err := <-stopped:
				t.Fatalf("Shutdown returned %v while a connection is served", err)
			case err := <-n.served:
				t.Fatalf("Serve returned %v while a connection is served", err)
			default:
			}
			close(d.finish)
			d.expect(t, "handler finished")
			if got, err := io.ReadAll(s); err != nil || len(got) != 0 {
				t.Errorf("stream ended with %v", err)
			}
			conn.Close(core.CodeNone, "")
			for range 2 {
				if err := <-stopped; err != nil {
					t.Errorf("Shutdown: %v", err)
				}
			}
		})
	}
}

func TestHardStopAfterTheDrainTimeout(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			d := newDraining()
			n := start(t, func(e *endpoint.Endpoint) { e.DrainTimeout = time.Millisecond }, d)
			conn := mustDial(t, transport.dial, n.addr, offer(nil, "alknet/drain"))
			s := hold(t, conn)
			if err := n.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			d.expect(t, "drain")
			d.expect(t, "hard stop")
			wantEnd(t, transport.name, conn, s, core.CodeShutdown)
		})
	}
}

func TestShutdownContextCutsTheDrain(t *testing.T) {
	d := newDraining()
	n := start(t, func(e *endpoint.Endpoint) { e.DrainTimeout = time.Hour }, d)
	hold(t, mustDial(t, dialQUIC, n.addr, offer(nil, "alknet/drain")))
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- n.Shutdown(ctx) }()
	d.expect(t, "drain")
	impatient, give := context.WithCancel(t.Context())
	give()
	if err := n.Shutdown(impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("second caller got %v", err)
	}
	cancel()
	d.expect(t, "hard stop")
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestCloseSkipsAndCutsTheDrain(t *testing.T) {
	d := newDraining()
	n := start(t, func(e *endpoint.Endpoint) { e.DrainTimeout = time.Hour }, d)
	hold(t, mustDial(t, dialQUIC, n.addr, offer(nil, "alknet/drain")))
	stopped := make(chan error, 1)
	go func() { stopped <- n.Shutdown(context.Background()) }()
	d.expect(t, "drain")
	n.Close()
	d.expect(t, "hard stop")
	if err := <-stopped; err != nil {
		t.Error(err)
	}

	d = newDraining()
	n = start(t, func(e *endpoint.Endpoint) { e.DrainTimeout = time.Hour }, d)
	hold(t, mustDial(t, dialTCP, n.addr, offer(nil, "alknet/drain")))
	n.Close()
	d.expect(t, "hard stop")
}

func TestEndOfServeContextIsAClose(t *testing.T) {
	e := idle(t)
	if err := e.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Serve(ctx); !errors.Is(err, core.ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
}

func TestLostSocketEndsServe(t *testing.T) {
	e := idle(t)
	if err := e.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	e.Kill()
	if err := e.Serve(t.Context()); err == nil || errors.Is(err, core.ErrServerClosed) || !strings.HasPrefix(err.Error(), "serve") {
		t.Errorf("Serve: %v", err)
	}
}

// quicIsDeaf dials for as long as a loopback handshake could take by far.
func quicIsDeaf(t *testing.T, addr string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := clientTransport(t, "127.0.0.1").Dial(ctx, udpAddr(t, addr), offer(nil, "alknet/drain"), quicconn.DialConfig())
	return err != nil
}
