package core_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/coretest"
)

const testALPN = "example.org/test"

func handler(handle func(context.Context, core.Connection, *core.AuthContext) error) core.ProtocolHandler {
	return core.HandlerFunc(testALPN, handle)
}

func returns(err error) core.ProtocolHandler {
	return handler(func(context.Context, core.Connection, *core.AuthContext) error { return err })
}

type named []string

func (n named) ALPNs() []string { return n }

func (named) Handle(context.Context, core.Connection, *core.AuthContext) error { return nil }

func TestRegister(t *testing.T) {
	for _, tt := range []struct {
		name     string
		handlers []core.ProtocolHandler
		want     string // part of the last error
		alpns    string
	}{
		{"one", []core.ProtocolHandler{named{"a", "b"}}, "", "[a b]"},
		{"order of registration", []core.ProtocolHandler{named{"z"}, named{"a"}}, "", "[z a]"},
		{"longest name", []core.ProtocolHandler{named{strings.Repeat("x", 255)}}, "", "[" + strings.Repeat("x", 255) + "]"},
		{"no name", []core.ProtocolHandler{named{}}, "no protocol name", "[]"},
		{"empty name", []core.ProtocolHandler{named{"a", ""}}, "1 to 255 bytes", "[]"},
		{"long name", []core.ProtocolHandler{named{strings.Repeat("x", 256)}}, "got 256", "[]"},
		{"ACME's name", []core.ProtocolHandler{named{"acme-tls/1"}}, "RFC 8737", "[]"},
		{"taken, and then all or nothing", []core.ProtocolHandler{named{"a"}, named{"b", "a"}}, `"a" is served by both`, "[a]"},
		{"twice in itself", []core.ProtocolHandler{named{"a", "a"}}, `"a" is served by both`, "[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r core.Router
			var err error
			for _, h := range tt.handlers {
				err = r.Register(h)
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Register: %v; want %q", err, tt.want)
			}
			if got := fmt.Sprint(r.ALPNs()); got != tt.alpns {
				t.Errorf("ALPNs: %s; want %s", got, tt.alpns)
			}
		})
	}
}

func TestRegisterDuplicateNamesBoth(t *testing.T) {
	var r core.Router
	first, second := named{"a"}, returns(nil)
	if err := errors.Join(r.Register(first), r.Register(second)); err != nil {
		t.Fatal(err)
	}
	var dup *core.DuplicateError
	if err := r.Register(core.HandlerFunc("a", nil)); !errors.As(err, &dup) {
		t.Fatal(err)
	}
	if dup.ALPN != "a" || fmt.Sprintf("%T", dup.First) != "core_test.named" || dup.Second.ALPNs()[0] != "a" {
		t.Errorf("%+v", dup)
	}
	for _, part := range []string{"core_test.named", "core.handlerFunc", `"a"`} {
		if !strings.Contains(dup.Error(), part) {
			t.Errorf("%q does not name %s", dup.Error(), part)
		}
	}
}

func TestRegisterAfterStart(t *testing.T) {
	for name, start := range map[string]func(*core.Router){
		"ALPNs": func(r *core.Router) { r.ALPNs() },
		"Drain": func(r *core.Router) { r.Drain(t.Context()) },
		"Dispatch": func(r *core.Router) {
			client, server := coretest.Pair(testALPN)
			client.Close(core.CodeNone, "")
			r.Dispatch(t.Context(), server, nil)
		},
	} {
		var r core.Router
		start(&r)
		if err := r.Register(named{"late"}); !errors.Is(err, core.ErrRouterStarted) {
			t.Errorf("Register after %s: %v", name, err)
		}
	}
}

func TestDispatchOutcome(t *testing.T) {
	plain := errors.New("disk on fire")
	for _, tt := range []struct {
		name   string
		result error
		code   uint64
		reason string
		want   error
	}{
		{"nil", nil, core.CodeNone, "", nil},
		{"end of another connection", &core.CloseError{Remote: true}, core.CodeInternal, "internal error", core.ErrConnectionClosed},
		{"joined with the end of another connection", errors.Join(core.ErrConnectionClosed, &core.CloseError{Remote: true}), core.CodeInternal, "internal error", core.ErrConnectionClosed},
		{"wrapped closed connection", fmt.Errorf("accept: %w", core.ErrConnectionClosed), core.CodeNone, "", nil},
		{"own code", &core.HandlerError{Code: 7, Reason: "seven", Err: plain}, 7, "seven", plain},
		{"wrapped code", fmt.Errorf("x: %w", &core.HandlerError{Code: 7, Reason: "seven"}), 7, "seven", nil},
		{"code beats a closed connection", &core.HandlerError{Code: 7, Reason: "seven", Err: core.ErrConnectionClosed}, 7, "seven", core.ErrConnectionClosed},
		{"code zero is no success", &core.HandlerError{Reason: "zero"}, core.CodeInternal, "internal error", nil},
		{"code zero around a refusal", &core.HandlerError{Err: core.ErrForbidden}, core.CodeForbidden, "not allowed", core.ErrForbidden},
		{"authentication required", fmt.Errorf("x: %w", core.ErrAuthRequired), core.CodeAuthRequired, "authentication required", core.ErrAuthRequired},
		{"forbidden", fmt.Errorf("rm -rf: %w", core.ErrForbidden), core.CodeForbidden, "not allowed", core.ErrForbidden},
		{"text of other errors stays", plain, core.CodeInternal, "internal error", plain},
		{"end of file is no success", io.EOF, core.CodeInternal, "internal error", io.EOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r core.Router
				if err := r.Register(returns(tt.result)); err != nil {
					t.Fatal(err)
				}
				client, server := coretest.Pair(testALPN)
				began := time.Now()
				err := r.Dispatch(t.Context(), server, nil)
				if tt.want != nil && !errors.Is(err, tt.want) || (err == nil) != (tt.code == core.CodeNone) {
					t.Errorf("Dispatch: %v; want %v", err, tt.want)
				}
				lingered := time.Duration(0)
				if tt.code == core.CodeNone {
					lingered = core.DefaultLinger
				}
				if d := time.Since(began); d != lingered {
					t.Errorf("closed after %v, want %v", d, lingered)
				}
				var ce *core.CloseError
				if err := context.Cause(client.Context()); !errors.As(err, &ce) || ce.Code != tt.code || ce.Reason != tt.reason || !ce.Remote {
					t.Errorf("the peer sees %+v; want %#x %q", ce, tt.code, tt.reason)
				}
			})
		})
	}
}

func TestDispatchLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := core.Router{Linger: time.Hour}
		r.Register(returns(nil))
		client, server := coretest.Pair(testALPN)
		began := time.Now()
		time.AfterFunc(time.Minute, func() { client.Close(core.CodeNone, "") })
		if err := r.Dispatch(t.Context(), server, nil); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != time.Minute {
			t.Errorf("lingered %v although the peer closed after a minute", d)
		}
	})
}

// TestLingerEndsSingleStream: a handler that forgot to close its stream does
// not leave the reader waiting.
func TestLingerEndsSingleStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r core.Router
		r.Register(handler(func(ctx context.Context, conn core.Connection, _ *core.AuthContext) error {
			s, err := conn.AcceptStream(ctx)
			if err != nil {
				return err
			}
			_, err = io.WriteString(s, "answer")
			return err
		}))
		client, server := coretest.StreamPair(testALPN)
		go r.Dispatch(t.Context(), server, nil)
		s, _ := client.OpenStream(t.Context())
		io.WriteString(s, "request")
		began := time.Now()
		if got, err := io.ReadAll(s); string(got) != "answer" || err != nil || time.Since(began) != 0 {
			t.Errorf("%q, %v after %v", got, err, time.Since(began))
		}
		client.Close(core.CodeNone, "")
	})
}

func TestDispatchPanic(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func()
		log  string
	}{
		{"panic", func() { panic("kaboom") }, "kaboom"},
		{"nil panic", func() { panic(nil) }, "panic called with nil"},
		{"Goexit", runtime.Goexit, "ended its goroutine"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				r := core.Router{Logger: slog.New(slog.NewTextHandler(&log, nil))}
				r.Register(core.HandlerFunc("bad", func(context.Context, core.Connection, *core.AuthContext) error {
					tt.fail()
					return nil
				}))
				r.Register(returns(nil))
				client, server := coretest.Pair("bad")
				var result error
				go func() { result = r.Dispatch(t.Context(), server, nil) }()
				synctest.Wait()
				var ce *core.CloseError
				if err := context.Cause(client.Context()); !errors.As(err, &ce) || ce.Code != core.CodeInternal || ce.Reason != "internal error" {
					t.Errorf("the peer sees %v", err)
				}
				var he *core.HandlerError
				if tt.name != "Goexit" && (!errors.As(result, &he) || he.Code != core.CodeInternal) {
					t.Errorf("Dispatch: %v", result)
				}
				if !strings.Contains(log.String(), tt.log) || !strings.Contains(log.String(), "stack=") {
					t.Errorf("log: %s", log.String())
				}
				client, server = coretest.Pair(testALPN) // the others go on
				client.Close(core.CodeNone, "")
				if err := r.Dispatch(t.Context(), server, nil); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestDispatchHardStop(t *testing.T) {
	for _, tt := range []struct {
		name   string
		handle func(context.Context, core.Connection, *core.AuthContext) error
	}{
		{"waits for a stream", func(_ context.Context, conn core.Connection, _ *core.AuthContext) error {
			_, err := conn.AcceptStream(context.Background())
			return err
		}},
		{"returns the context's error", func(ctx context.Context, _ core.Connection, _ *core.AuthContext) error {
			<-ctx.Done()
			return ctx.Err()
		}},
		{"lingers", func(context.Context, core.Connection, *core.AuthContext) error { return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := core.Router{Linger: time.Hour}
				r.Register(handler(tt.handle))
				client, server := coretest.Pair(testALPN)
				ctx, stop := context.WithTimeout(t.Context(), time.Second)
				defer stop()
				r.Dispatch(ctx, server, nil)
				var ce *core.CloseError
				if err := context.Cause(client.Context()); !errors.As(err, &ce) || ce.Code != core.CodeShutdown {
					t.Errorf("the peer sees %v", err)
				}
			})
		})
	}
}

func TestDispatchNoHandler(t *testing.T) {
	var r core.Router
	client, server := coretest.Pair(testALPN)
	var he *core.HandlerError
	if err := r.Dispatch(t.Context(), server, nil); !errors.As(err, &he) || he.Code != core.CodeNoHandler {
		t.Error(err)
	}
	var ce *core.CloseError
	if err := context.Cause(client.Context()); !errors.As(err, &ce) || ce.Code != core.CodeNoHandler || ce.Reason == "" {
		t.Error(err)
	}
}

// TestDispatchNested: a connection inside another one has nobody's rights.
func TestDispatchNested(t *testing.T) {
	var inner, outer core.Router
	var innerSaw, outerSaw core.Identity
	innerClient, innerServer := coretest.StreamPair("inner")
	inner.Register(core.HandlerFunc("inner", func(_ context.Context, _ core.Connection, who *core.AuthContext) error {
		innerSaw = who.Who()
		if who.ALPN != "inner" || who.RemoteAddr == nil || !who.Key.IsZero() {
			t.Errorf("inner: %+v", who)
		}
		return nil
	}))
	outer.Register(handler(func(ctx context.Context, _ core.Connection, who *core.AuthContext) error {
		outerSaw = who.Who()
		return inner.Dispatch(ctx, innerServer, nil)
	}))
	client, server := coretest.Pair(testALPN)
	innerClient.Close(core.CodeNone, "")
	client.Close(core.CodeNone, "")
	if err := outer.Dispatch(t.Context(), server, coretest.Auth(t, server, "alice", "ssh:shell")); err != nil {
		t.Error(err)
	}
	if outerSaw.Name != "alice" || !innerSaw.IsZero() {
		t.Errorf("outer %v, inner %v", outerSaw, innerSaw)
	}
}

func TestDispatchLog(t *testing.T) {
	var log bytes.Buffer
	r := core.Router{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	r.Register(returns(core.ErrForbidden))
	_, server := coretest.Pair(testALPN)
	r.Dispatch(t.Context(), server, coretest.Auth(t, server, "alice"))
	for _, part := range []string{"remote_addr=192.0.2.1:49152", "alpn=example.org/test", "peer=alice", "error=\"not allowed\""} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("%s is not in the log: %s", part, log.String())
		}
	}
}

type drainer struct {
	named
	drain func(context.Context) error
}

func (d drainer) Drain(ctx context.Context) error { return d.drain(ctx) }

func TestDrain(t *testing.T) {
	stuck := func(context.Context) error { <-time.After(time.Hour); return nil } // of the bubble's time
	one, two := errors.New("one"), errors.New("two")
	fails := func(err error) func(context.Context) error {
		return func(context.Context) error { return err }
	}
	for _, tt := range []struct {
		name   string
		drains []func(context.Context) error
		want   []error
		text   string
	}{
		{"nobody", nil, nil, ""},
		{"all well", []func(context.Context) error{fails(nil), fails(nil)}, nil, ""},
		{"errors are joined", []func(context.Context) error{fails(one), fails(nil), fails(two)}, []error{one, two}, ""},
		{"one is stuck", []func(context.Context) error{fails(one), stuck}, []error{one, context.DeadlineExceeded}, "1 handlers"},
		{"a panic is an error", []func(context.Context) error{func(context.Context) error { panic("kaboom") }, fails(two)}, []error{two}, "kaboom"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r core.Router
				r.Register(named{"no drainer"})
				for i, d := range tt.drains {
					r.Register(drainer{named{fmt.Sprint(i)}, d})
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := r.Drain(ctx)
				for _, w := range tt.want {
					if !errors.Is(err, w) {
						t.Errorf("Drain: %v; want %v in it", err, w)
					}
				}
				if tt.want == nil && err != nil || tt.text != "" && !strings.Contains(err.Error(), tt.text) {
					t.Errorf("Drain: %v", err)
				}
				<-time.After(2 * time.Hour) // the stuck one ends
			})
		})
	}
}
