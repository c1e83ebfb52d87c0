package call_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/call"
)

// nested registers n operations that call each other and wait at the bottom.
func nested(t *testing.T, n int, bottom func(context.Context)) (*call.Server, func() []context.Context) {
	var (
		mu  sync.Mutex
		all []context.Context
	)
	var ops []call.Operation
	for i := range n {
		next := fmt.Sprintf("n/o%d", i+1)
		ops = append(ops, composer(t, fmt.Sprintf("n/o%d", i), []string{"call:n/*"}, []string{next}, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
			mu.Lock()
			all = append(all, ctx)
			mu.Unlock()
			if i == n-1 {
				bottom(ctx)
				return nil, ctx.Err()
			}
			return env.Call(ctx, next, nil)
		}))
	}
	return register(t, ops...), func() []context.Context {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

func TestOneHundredNestedCallsAreCancelledBeforeTheAbortReturns(t *testing.T) {
	before := runtime.NumGoroutine()
	reached := make(chan struct{})
	srv, contexts := nested(t, 100, func(ctx context.Context) {
		close(reached)
		<-ctx.Done()
	})
	ctx, abort := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := srv.Local(nobody).Call(ctx, "n/o0", nil)
		ended <- err
	}()
	<-reached
	if now := runtime.NumGoroutine(); now > before+1 {
		t.Errorf("%d goroutines for one call", now-before)
	}
	all := contexts()
	abort()
	for i, ctx := range all {
		select {
		case <-ctx.Done():
		default:
			t.Fatalf("call %d runs on after the abort", i)
		}
	}
	if len(all) != 100 {
		t.Errorf("%d calls", len(all))
	}
	if err := <-ended; err == nil || err.Error() != "INTERNAL: request cancelled" {
		t.Errorf("got %v", err)
	}
}

func TestTheDeadlineIsInherited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, contexts := nested(t, 5, func(ctx context.Context) { <-ctx.Done() })
		began := time.Now()
		_, err := srv.Local(nobody).Call(t.Context(), "n/o0", nil)
		if call.CodeOf(err) != call.CodeTimeout || time.Since(began) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		for _, ctx := range contexts() {
			if d, ok := ctx.Deadline(); !ok || !d.Equal(began.Add(30*time.Second)) {
				t.Errorf("a deadline of %v", d.Sub(began))
			}
		}
	})
}

func TestAForeignContextDoesNotDetachAComposedCall(t *testing.T) {
	for name, foreign := range map[string]func(context.Context) context.Context{
		"background":     func(context.Context) context.Context { return context.Background() },
		"without cancel": context.WithoutCancel,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				child := hidden(query("a/b"))
				child.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
					if _, ok := ctx.Deadline(); !ok {
						t.Error("no deadline")
					}
					<-ctx.Done()
					return nil, ctx.Err()
				}
				top := composer(t, "top/run", []string{"admin"}, []string{"a/b"}, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
					return env.Call(foreign(ctx), "a/b", nil)
				})
				ctx, abort := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, abort)
				began := time.Now()
				_, err := register(t, child, top).Local(nobody).Call(ctx, "top/run", nil)
				if err == nil || time.Since(began) != time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
		})
	}
}

func TestAHandlersOwnDeadlineEndsItsCall(t *testing.T) {
	for _, keep := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			child := hidden(query("a/b"))
			child.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			composeAs(t, []string{"admin"}, []string{"a/b"}, []call.Operation{child}, func(ctx context.Context, env call.Env) {
				if keep {
					env = env.ContinueRunning()
				}
				began := time.Now()
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				if _, err := env.Call(ctx, "a/b", nil); call.CodeOf(err) != call.CodeTimeout || time.Since(began) != time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
		})
	}
}

func TestNoCallBeginsAfterItsParentHasEnded(t *testing.T) {
	var kept call.Env
	child := hidden(query("a/b"))
	composeAs(t, []string{"admin"}, []string{"a/b"}, []call.Operation{child}, func(ctx context.Context, env call.Env) { kept = env })
	for _, env := range []call.Env{kept, kept.ContinueRunning()} {
		if _, err := env.Call(context.Background(), "a/b", nil); call.CodeOf(err) != call.CodeInternal {
			t.Errorf("got %v", err)
		}
	}
}

func TestContinueRunningLetsWhatHasBegunEndAndNothingElseBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			outcome []string
			mu      sync.Mutex
			note    = func(format string, args ...any) {
				mu.Lock()
				outcome = append(outcome, fmt.Sprintf(format, args...))
				mu.Unlock()
			}
			leafRuns  int
			work      = []string{"admin"}
			leaf      = hidden(query("a/leaf"))
			slowEnded = false
		)
		leaf.Handle = func(context.Context, json.RawMessage) (json.RawMessage, error) { leafRuns++; return nil, nil }
		// deep has begun under slow when the abort comes.
		below := make(chan struct{})
		deep := composer(t, "a/deep", work, []string{"a/leaf"}, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
			defer close(below)
			<-time.After(2500 * time.Millisecond)
			_, err := env.Call(ctx, "a/leaf", nil)
			note("deep: context %v, leaf %v", ctx.Err(), err)
			return nil, nil
		})
		// slow has begun when the abort comes, and composes before and after.
		slow := composer(t, "a/slow", work, []string{"a/leaf", "a/deep"}, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
			go env.Call(ctx, "a/deep", nil)
			if _, err := env.Call(ctx, "a/leaf", nil); err != nil {
				t.Errorf("before the abort: %v", err)
			}
			<-time.After(2 * time.Second)
			note("slow: context %v", ctx.Err())
			_, err := env.Call(ctx, "a/leaf", nil)
			note("slow: leaf %v", err)
			<-below
			slowEnded = true
			return nil, nil
		})
		plain := hidden(query("a/plain"))
		plain.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
			<-ctx.Done()
			note("plain: context %v", ctx.Err())
			return nil, ctx.Err()
		}
		top := composer(t, "top/run", work, []string{"a/slow", "a/plain", "a/leaf"}, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
			var wg sync.WaitGroup
			wg.Go(func() { env.Call(ctx, "a/plain", nil) })
			_, err := env.ContinueRunning().Call(ctx, "a/slow", nil)
			wg.Wait()
			note("top: slow %v", err)
			_, err = env.ContinueRunning().Call(context.WithoutCancel(ctx), "a/leaf", nil)
			note("top: leaf %v", err)
			return nil, nil
		})
		ctx, abort := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, abort)
		register(t, hidden(slow), hidden(deep), plain, leaf, top).Local(nobody).Call(ctx, "top/run", nil)
		want := []string{
			"plain: context context canceled",
			"slow: context <nil>",
			"slow: leaf INTERNAL: request cancelled",
			"deep: context <nil>, leaf INTERNAL: request cancelled",
			"top: slow <nil>",
			"top: leaf INTERNAL: request cancelled",
		}
		if !reflect.DeepEqual(outcome, want) || leafRuns != 1 || !slowEnded {
			t.Errorf("leaf ran %d times, %q", leafRuns, outcome)
		}
	})
}

func TestContinueRunningEndsWithTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		child := hidden(query("a/b"))
		child.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		top := composer(t, "top/run", []string{"admin"}, []string{"a/b"}, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
			return env.ContinueRunning().Call(ctx, "a/b", nil)
		})
		ctx, abort := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, abort)
		began := time.Now()
		register(t, child, top).Local(nobody).Call(ctx, "top/run", nil)
		if time.Since(began) != 30*time.Second {
			t.Errorf("ended after %v", time.Since(began))
		}
	})
}
