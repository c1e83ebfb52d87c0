package call_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
)

// breaking is a connection that ends as those of a network do, with an error
// that names addresses.
type breaking struct {
	core.Connection
	broken chan struct{}
}

var errNetwork = &net.OpError{
	Op: "read", Net: "tcp", Err: syscall.ECONNRESET,
	Source: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 49152}, Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 4433},
}

func (b *breaking) AcceptStream(ctx context.Context) (core.Stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-b.broken:
			cancel()
		case <-ctx.Done():
		}
	}()
	st, err := b.Connection.AcceptStream(ctx)
	select {
	case <-b.broken:
		return nil, &core.CloseError{Err: errNetwork}
	default:
		return st, err
	}
}

// awaiting is a server whose operations wait for the end of the call, or fail
// with what looks like an error of a connection.
func awaiting(t *testing.T) *call.Server {
	wait, items, fail := public(query("far/wait")), public(query("far/items")), public(query("far/fail"))
	wait.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	items.Type, items.Handle = call.TypeSubscription, nil
	items.Stream = func(ctx context.Context, _ json.RawMessage) iter.Seq2[json.RawMessage, error] {
		return func(func(json.RawMessage, error) bool) { <-ctx.Done() }
	}
	fail.Handle = func(context.Context, json.RawMessage) (json.RawMessage, error) {
		return nil, errors.New("the far node said so")
	}
	return register(t, wait, items, fail)
}

// outcomes are the errors of one of each.
func outcomes(c call.Caller, prefix string) []error {
	errs := make(chan error, 2)
	go func() { errs <- second(c.Call(context.Background(), prefix+"far/wait", nil)) }()
	go func() {
		var last error
		for _, err := range c.Subscribe(context.Background(), prefix+"far/items", nil) {
			last = err
		}
		errs <- last
	}()
	return []error{<-errs, <-errs}
}

// What is between this node and the next is not told to who calls through it.
func TestALostConnectionIsToldWithoutAddresses(t *testing.T) {
	inBubble(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		broken := make(chan struct{})
		p := newPlace(t, func() (core.Connection, core.Connection) {
			near, far := pair()
			return &breaking{near, broken}, far
		}, awaiting(t))
		near := register(t)
		near.Peers = new(call.Peers)
		log, text := logged()
		l := &call.Link{Name: "lab", Dial: p.dial, Server: near, Logger: log, Import: &call.Import{
			Prefix: "lab", Expose: []call.Exposure{{"lab/**", "lab:use"}},
		}}
		stop := run(t, l, p)
		defer stop()
		ready(t, l)

		h := &harness{t: t, pair: pair}
		callers := []struct {
			call.Caller
			prefix string
		}{
			{near.Local(somebody(t, "alice", "lab:use")), "lab/"},
			{h.connect(near, []string{"lab:use"}), "lab/"},
			{near.Peers.Any(), "lab/"},
			{l, ""},
		}
		failures := make(chan []error, len(callers))
		for _, c := range callers {
			if _, err := c.Call(t.Context(), c.prefix+"far/fail", nil); err == nil || !strings.Contains(err.Error(), "the far node said so") {
				t.Errorf("what the far node says: %v", err)
			}
			go func() { failures <- outcomes(c, c.prefix) }()
		}
		synctest.Wait()
		p.set(nil, &net.OpError{Op: "dial", Net: "tcp", Addr: errNetwork.Addr, Err: syscall.ECONNREFUSED})
		close(broken)
		for range callers {
			for _, err := range <-failures {
				var e *call.Error
				if !errors.As(err, &e) || e.Code != call.CodeInternal || !e.Retryable || !strings.HasPrefix(e.Message, "the node behind lab") || !strings.HasSuffix(e.Message, " cannot be reached") {
					t.Errorf("got %v", err)
				}
			}
		}
		elapse(10 * time.Second)
		_, err := l.Call(t.Context(), "far/wait", nil)
		if fmt.Sprint(err) != "INTERNAL: not connected to lab" || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("afterwards: %v", err)
		}
		if err := l.Err(); err == nil || !strings.Contains(err.Error(), "192.0.2.2:4433") {
			t.Errorf("the program is told %v", err)
		}
		if got := text(); strings.Contains(got, "192.0.2.") || !strings.Contains(got, syscall.ECONNREFUSED.Error()) || !strings.Contains(got, "lab") {
			t.Errorf("the log is\n%s", got)
		}
	})
}
