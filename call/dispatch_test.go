package call_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
)

var nobody core.Identity

func public(op call.Operation) call.Operation {
	op.Access = call.Access{Public: true}
	return op
}

type brokenError struct{}

func (brokenError) Error() string { panic("even the error fails") }

func TestHandlersErrors(t *testing.T) {
	declared := []call.ErrorSpec{
		{Code: "FULL", Schema: json.RawMessage(`{"type":"object","required":["free"],"properties":{"free":{"type":"integer"}}}`)},
		{Code: "BUSY"},
	}
	var none *call.Error
	tests := []struct {
		name    string
		err     error
		code    string
		message string
		retry   bool
		details string
	}{
		{"declared", &call.Error{Code: "BUSY", Message: "later", Retryable: true}, "BUSY", "later", true, ""},
		{"declared, any details", &call.Error{Code: "BUSY", Details: json.RawMessage(`[1,{"a":1.0}]`)}, "BUSY", "", false, `[1,{"a":1.0}]`},
		{"declared, good details", &call.Error{Code: "FULL", Details: json.RawMessage(`{"free":0}`)}, "FULL", "", false, `{"free":0}`},
		{"declared, no details", &call.Error{Code: "FULL", Message: "m"}, "FULL", "m", false, ""},
		{"declared, details that violate", &call.Error{Code: "FULL", Details: json.RawMessage(`{"free":"no"}`)}, "INTERNAL", "the details of the error FULL violate its schema", false, ""},
		{"declared, details that are no JSON", &call.Error{Code: "BUSY", Details: json.RawMessage(`{"a":1,"a":2}`)}, "INTERNAL", "violate", false, ""},
		{"declared, wrapped", fmt.Errorf("while: %w", &call.Error{Code: "BUSY", Message: "later"}), "BUSY", "later", false, ""},
		{"undeclared", &call.Error{Code: "ODD", Message: "m", Retryable: true, Details: json.RawMessage(`7`)}, "INTERNAL", "m", true, `{"code":"ODD","message":"m","details":7}`},
		{"undeclared, no details", &call.Error{Code: "ODD", Message: "m"}, "INTERNAL", "m", false, `{"code":"ODD","message":"m"}`},
		{"undeclared, details that are no JSON", &call.Error{Code: "ODD", Message: "m", Details: json.RawMessage(`{`)}, "INTERNAL", "m", false, `{"code":"ODD","message":"m"}`},
		{"protocol's code", call.Errorf(call.CodeForbidden, "m"), "INTERNAL", "m", false, `{"code":"FORBIDDEN","message":"m"}`},
		{"not found is not the operation's to say", call.Errorf(call.CodeNotFound, "m"), "INTERNAL", "m", false, `{"code":"NOT_FOUND","message":"m"}`},
		{"INTERNAL", &call.Error{Code: "INTERNAL", Message: "m", Retryable: true, Details: json.RawMessage(`1`)}, "INTERNAL", "m", true, "1"},
		{"ordinary", errors.New("disk is gone"), "INTERNAL", "disk is gone", false, ""},
		{"not UTF-8", errors.New("a\xffb"), "INTERNAL", "a\uFFFDb", false, ""},
		{"someone else's deadline", context.DeadlineExceeded, "INTERNAL", "deadline exceeded", false, ""},
		{"typed nil", none, "INTERNAL", "the handler failed", false, ""},
		{"error that panics", brokenError{}, "INTERNAL", "the handler failed", false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			op := public(query("a/b"))
			op.Errors, op.Handle = declared, fails(test.err)
			sub := op
			sub.Name, sub.Type, sub.Handle = "a/c", call.TypeSubscription, nil
			sub.Stream = func(context.Context, json.RawMessage) iter.Seq2[json.RawMessage, error] {
				return func(yield func(json.RawMessage, error) bool) {
					if yield(json.RawMessage("1"), nil) {
						yield(nil, test.err)
					}
				}
			}
			caller := register(t, op, sub).Local(nobody)
			check := func(err error) {
				t.Helper()
				var got *call.Error
				if !errors.As(err, &got) || got.Code != test.code || !strings.Contains(got.Message, test.message) ||
					got.Retryable != test.retry || string(got.Details) != test.details {
					t.Errorf("got %#v", got)
				}
			}
			_, err := caller.Call(t.Context(), "a/b", nil)
			check(err)
			var last error
			n := 0
			for _, last = range caller.Subscribe(t.Context(), "a/c", nil) {
				n++
			}
			if n != 2 {
				t.Errorf("%d items", n)
			}
			check(last)
		})
	}
}

func TestImportsPassTheProtocolsCodes(t *testing.T) {
	for code, want := range map[string]string{
		call.CodeForbidden: call.CodeForbidden, call.CodeNotFound: call.CodeNotFound, call.CodeTimeout: call.CodeTimeout,
		call.CodeInvalidInput: call.CodeInvalidInput, "ODD": call.CodeInternal,
	} {
		op := public(query("far/op"))
		op.Provenance, op.Handle = call.FromCall, fails(call.Errorf(code, "m"))
		_, err := register(t, op).Local(nobody).Call(t.Context(), "far/op", nil)
		if call.CodeOf(err) != want {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func logged() (*slog.Logger, func() string) {
	var (
		mu  sync.Mutex
		buf bytes.Buffer
	)
	w := writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return buf.Write(b)
	})
	return slog.New(slog.NewTextHandler(w, nil)), func() string {
		mu.Lock()
		defer mu.Unlock()
		return buf.String()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestPanicIsInternalAndToldToTheLogOnly(t *testing.T) {
	op := public(query("a/b"))
	op.Handle = func(context.Context, json.RawMessage) (json.RawMessage, error) { panic("password=hunter2") }
	sub := public(call.Operation{Spec: call.Spec{Name: "a/c", Type: call.TypeSubscription}})
	sub.Stream = func(context.Context, json.RawMessage) iter.Seq2[json.RawMessage, error] {
		return func(yield func(json.RawMessage, error) bool) {
			yield(json.RawMessage("1"), nil)
			panic("password=hunter2")
		}
	}
	none := sub
	none.Name = "a/d"
	none.Stream = func(context.Context, json.RawMessage) iter.Seq2[json.RawMessage, error] { return nil }
	srv := register(t, op, sub, none)
	log, text := logged()
	srv.Logger = log
	check := func(err error) {
		t.Helper()
		if err == nil || err.Error() != "INTERNAL: the handler failed" {
			t.Errorf("got %v", err)
		}
	}
	_, err := srv.Local(nobody).Call(t.Context(), "a/b", nil)
	check(err)
	for _, name := range []string{"a/c", "a/d"} {
		for _, err = range srv.Local(nobody).Subscribe(t.Context(), name, nil) {
		}
		check(err)
	}
	if got := text(); strings.Count(got, "hunter2") != 2 || !strings.Contains(got, "dispatch_test.go") || !strings.Contains(got, "operation=a/b") {
		t.Errorf("log: %s", got)
	}
}

func TestGoexitInAHandlerIsLoggedAndEndsItsGoroutineOnly(t *testing.T) {
	op := public(query("a/b"))
	op.Handle = func(context.Context, json.RawMessage) (json.RawMessage, error) { runtime.Goexit(); return nil, nil }
	srv := register(t, op)
	log, text := logged()
	srv.Logger = log
	done := make(chan bool, 1)
	go func() {
		returned := false
		defer func() { done <- returned }()
		srv.Local(nobody).Call(t.Context(), "a/b", nil)
		returned = true
	}()
	if <-done {
		t.Error("the caller went on")
	}
	if !strings.Contains(text(), "ended its goroutine") {
		t.Errorf("log: %s", text())
	}
}

func TestAConsumersPanicIsItsOwn(t *testing.T) {
	sub := public(call.Operation{Spec: call.Spec{Name: "a/c", Type: call.TypeSubscription}, Stream: items("1", "2")})
	srv := register(t, sub)
	log, text := logged()
	srv.Logger = log
	defer func() {
		if recover() != "mine" || text() != "" {
			t.Errorf("log: %s", text())
		}
	}()
	for range srv.Local(nobody).Subscribe(t.Context(), "a/c", nil) {
		panic("mine")
	}
}

func TestAStreamThatGoesOnAfterTheConsumerLeft(t *testing.T) {
	sub := public(call.Operation{Spec: call.Spec{Name: "a/c", Type: call.TypeSubscription}})
	sub.Stream = func(context.Context, json.RawMessage) iter.Seq2[json.RawMessage, error] {
		return func(yield func(json.RawMessage, error) bool) {
			for range 3 {
				yield(json.RawMessage("1"), nil)
			}
		}
	}
	n := 0
	for _, err := range register(t, sub).Local(nobody).Subscribe(t.Context(), "a/c", nil) {
		if n++; err != nil {
			t.Error(err)
		}
		break
	}
	if n != 1 {
		t.Errorf("%d items", n)
	}
}

func TestNothingFollowsAnError(t *testing.T) {
	sub := public(call.Operation{Spec: call.Spec{Name: "a/c", Type: call.TypeSubscription}})
	sub.Stream = func(context.Context, json.RawMessage) iter.Seq2[json.RawMessage, error] {
		return func(yield func(json.RawMessage, error) bool) {
			yield(nil, errors.New("over"))
			yield(json.RawMessage("2"), nil)
		}
	}
	var all []string
	for out, err := range register(t, sub).Local(nobody).Subscribe(t.Context(), "a/c", nil) {
		all = append(all, fmt.Sprintf("%s %v", out, err))
	}
	if len(all) != 1 || all[0] != " INTERNAL: over" {
		t.Errorf("%q", all)
	}
}

func TestAnswersAreHeldAgainstTheirSchema(t *testing.T) {
	for out, ok := range map[string]bool{
		`1`: true, ` 1 `: true, `"x"`: false, `1 2`: false, ``: false, `{"a":1,"a":1}`: false, `nul`: false,
	} {
		op := public(query("a/b"))
		op.Output, op.Handle = json.RawMessage(`{"type":"integer"}`), answer(out)
		sub := public(call.Operation{Spec: call.Spec{Name: "a/c", Type: call.TypeSubscription, Output: op.Output}, Stream: items("1", out, "1")})
		caller := register(t, op, sub).Local(nobody)
		got, err := caller.Call(t.Context(), "a/b", nil)
		if ok != (err == nil) || !ok && (call.CodeOf(err) != call.CodeInternal || got != nil || strings.Contains(err.Error(), "x")) {
			t.Errorf("%q: %s %v", out, got, err)
		}
		n := 0
		for _, err = range caller.Subscribe(t.Context(), "a/c", nil) {
			n++
		}
		if ok != (err == nil) || n != map[bool]int{true: 3, false: 2}[ok] {
			t.Errorf("%q: %d items, %v", out, n, err)
		}
	}
}

func TestNilIsNull(t *testing.T) {
	op := public(query("a/b"))
	op.Handle = func(_ context.Context, input json.RawMessage) (json.RawMessage, error) {
		if string(input) != "null" {
			t.Errorf("input %q", input)
		}
		return nil, nil
	}
	if out, err := register(t, op).Local(nobody).Call(t.Context(), "a/b", nil); err != nil || string(out) != "null" {
		t.Errorf("%q %v", out, err)
	}
}

func TestKindsAreNotMixed(t *testing.T) {
	sub := public(call.Operation{Spec: call.Spec{Name: "a/c", Type: call.TypeSubscription}, Stream: items("1")})
	caller := register(t, public(query("a/b")), sub).Local(nobody)
	if _, err := caller.Call(t.Context(), "a/c", nil); call.CodeOf(err) != call.CodeInvalidOperationType {
		t.Errorf("got %v", err)
	}
	for _, err := range caller.Subscribe(t.Context(), "a/b", nil) {
		if call.CodeOf(err) != call.CodeInvalidOperationType {
			t.Errorf("got %v", err)
		}
	}
}

func TestEndOfTheContext(t *testing.T) {
	wait := public(query("a/wait"))
	wait.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		<-ctx.Done()
		return nil, fmt.Errorf("gave up: %w", ctx.Err())
	}
	late := public(query("a/late"))
	late.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		<-ctx.Done()
		return json.RawMessage("1"), nil
	}
	told := public(query("a/told"))
	told.Errors = []call.ErrorSpec{{Code: "STOPPED"}}
	told.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		<-ctx.Done()
		return nil, call.Errorf("STOPPED", "at item 3")
	}
	sub := public(call.Operation{Spec: call.Spec{Name: "a/quiet", Type: call.TypeSubscription}})
	sub.Stream = func(ctx context.Context, _ json.RawMessage) iter.Seq2[json.RawMessage, error] {
		return func(func(json.RawMessage, error) bool) { <-ctx.Done() }
	}
	synctest.Test(t, func(t *testing.T) {
		srv := register(t, wait, late, told, sub)
		srv.Limits.Timeout = time.Minute
		began := time.Now()
		timedOut := func(ctx context.Context, name, want string, after time.Duration) {
			t.Helper()
			began = time.Now()
			_, err := srv.Local(nobody).Call(ctx, name, nil)
			var e *call.Error
			if call.CodeOf(err) != want || errors.As(err, &e) && e.Retryable != (want == call.CodeTimeout) {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
			if time.Since(began) != after {
				t.Errorf("%s: after %v", name, time.Since(began))
			}
		}
		timedOut(t.Context(), "a/wait", call.CodeTimeout, time.Minute)
		timedOut(t.Context(), "a/late", "", time.Minute)
		timedOut(t.Context(), "a/told", "STOPPED", time.Minute)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		timedOut(short, "a/wait", call.CodeTimeout, time.Second)
		timedOut(short, "a/wait", call.CodeTimeout, 0)
		cancel()
		aborted, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		var last error
		for _, last = range srv.Local(nobody).Subscribe(aborted, "a/quiet", nil) {
		}
		if last == nil || last.Error() != "INTERNAL: request cancelled" {
			t.Errorf("a subscription that was cut off ends with %v", last)
		}
		timedOut(aborted, "a/wait", call.CodeInternal, 0)
	})
}

func TestRequestIsWhatTheHandlerSees(t *testing.T) {
	secrets := call.NewCapabilities(map[string]call.Secret{"mail": call.NewSecret([]byte("k"))})
	op := query("a/b")
	op.Capabilities = secrets
	op.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		r := call.RequestFrom(ctx)
		if r.Operation != "a/b" || r.ID == "" || r.Parent != "" || r.Internal || r.Identity.Name != "peer" || r.Client != nil {
			t.Errorf("%+v", r)
		}
		if _, ok := r.Capabilities.Get("mail"); !ok {
			t.Error("no capability")
		}
		return nil, nil
	}
	srv := register(t, op)
	for _, name := range []string{"a/b", "/a/b"} {
		if _, err := srv.Local(somebody(t, "peer", "call:a/b")).Call(t.Context(), name, nil); err != nil {
			t.Error(err)
		}
	}
	if _, err := srv.Local(nobody).Call(t.Context(), "//a/b", nil); call.CodeOf(err) != call.CodeNotFound {
		t.Errorf("two slashes: %v", err)
	}
}
