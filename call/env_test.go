package call_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

// composer is a public operation that runs fn with its Env.
func composer(t *testing.T, name string, scopes []string, uses []string, fn func(context.Context, call.Env) (json.RawMessage, error)) call.Operation {
	t.Helper()
	op := public(query(name))
	op.Authority, op.Uses = &call.Authority{Label: "of " + name, Scopes: grants(t, scopes...)}, uses
	op.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		return fn(ctx, call.EnvFrom(ctx))
	}
	return op
}

func hidden(op call.Operation) call.Operation {
	op.Visibility = call.Internal
	return op
}

// composeAs runs fn as the handler of an operation among others.
func composeAs(t *testing.T, scopes, uses []string, others []call.Operation, fn func(context.Context, call.Env)) {
	t.Helper()
	ran := false
	top := composer(t, "top/run", scopes, uses, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
		ran = true
		fn(ctx, env)
		return nil, nil
	})
	srv := register(t, append(others, top)...)
	if _, err := srv.Local(somebody(t, "root", "admin")).Call(t.Context(), "top/run", nil); err != nil || !ran {
		t.Fatalf("not run: %v", err)
	}
}

func TestCompositionIsCheckedAgainstTheParentsAuthority(t *testing.T) {
	ops := []call.Operation{hidden(query("a/b")), hidden(query("c/d"))}
	ops[0].Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		r := call.RequestFrom(ctx)
		id := r.Identity
		if id.Name != "of top/run" || id.Kind != auth.KindOperation || !reflect.DeepEqual(id.Scopes.Strings(), []string{"call:a/b"}) {
			t.Errorf("the child sees %v with %v", id, id.Scopes)
		}
		if !r.Internal || r.Parent == "" || r.ID == r.Parent || r.ForwardedFor != nil || r.Operation != "a/b" {
			t.Errorf("%+v", r)
		}
		return json.RawMessage("7"), nil
	}
	composeAs(t, []string{"call:a/b"}, []string{"a/b", "c/d"}, ops, func(ctx context.Context, env call.Env) {
		for _, name := range []string{"a/b", "/a/b"} {
			if out, err := env.Call(ctx, name, nil); err != nil || string(out) != "7" {
				t.Errorf("%s %v", out, err)
			}
		}
		// The caller is admin; that does not help.
		_, err := env.Call(ctx, "c/d", nil)
		checkForbidden(t, err, "missing required scope: call:c/d")
	})
}

func TestCompositionFindsOnlyWhatTheOperationUses(t *testing.T) {
	ops := []call.Operation{public(query("a/b")), public(query("c/d"))}
	composeAs(t, []string{"admin"}, []string{"a/b", "x/missing", "peer:laptop/c/d"}, ops, func(ctx context.Context, env call.Env) {
		if !env.Contains("a/b") || !env.Contains("/a/b") || env.Contains("c/d") || env.Contains("x/missing") || env.Contains("top/run") {
			t.Error("Contains")
		}
		var messages []string
		for _, name := range []string{"c/d", "x/missing", "top/run", "services/list", ""} {
			_, err := env.Call(ctx, name, nil)
			if call.CodeOf(err) != call.CodeNotFound {
				t.Errorf("%s: %v", name, err)
			}
			messages = append(messages, strings.Replace(err.Error(), name, "NAME", 1))
		}
		if messages[0] != messages[1] || messages[1] != messages[2] {
			t.Errorf("told apart: %q", messages)
		}
		if env.Peers() != nil || env.Peer("laptop").(call.Env).Contains("c/d") {
			t.Error("a peer that is not there offers something")
		}
		if _, err := env.Peer("").Call(ctx, "a/b", nil); call.CodeOf(err) != call.CodeNotFound {
			t.Errorf("no peer falls through: %v", err)
		}
		if _, err := env.Peer("laptop").Call(ctx, "a/b", nil); call.CodeOf(err) != call.CodeNotFound {
			t.Errorf("a missing peer falls through: %v", err)
		}
	})
}

func TestAnOperationWithoutAuthorityComposesNothing(t *testing.T) {
	op := public(query("top/run"))
	op.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		for _, ctx := range []context.Context{ctx, context.Background()} {
			if _, err := call.EnvFrom(ctx).Call(ctx, "a/b", nil); call.CodeOf(err) != call.CodeNotFound {
				t.Errorf("got %v", err)
			}
			for _, err := range call.EnvFrom(ctx).Subscribe(ctx, "a/b", nil) {
				if call.CodeOf(err) != call.CodeNotFound {
					t.Errorf("got %v", err)
				}
			}
		}
		return nil, nil
	}
	if _, err := register(t, op, public(query("a/b"))).Local(nobody).Call(t.Context(), "top/run", nil); err != nil {
		t.Error(err)
	}
}

func TestChildrenDoNotInheritUsesOrAuthority(t *testing.T) {
	middle := hidden(query("a/middle"))
	middle.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		_, err := call.EnvFrom(ctx).Call(ctx, "a/b", nil)
		if call.CodeOf(err) != call.CodeNotFound {
			t.Errorf("got %v", err)
		}
		return nil, nil
	}
	composeAs(t, []string{"admin"}, []string{"a/b", "a/middle"}, []call.Operation{query("a/b"), middle}, func(ctx context.Context, env call.Env) {
		if _, err := env.Call(ctx, "a/middle", nil); err != nil {
			t.Error(err)
		}
	})
}

func TestChildrenInheritTheParentsCapabilities(t *testing.T) {
	child := hidden(query("a/b"))
	child.Capabilities = call.NewCapabilities(map[string]call.Secret{"own": call.NewSecret([]byte("o"))})
	child.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		c := call.RequestFrom(ctx).Capabilities
		if _, ok := c.Get("own"); ok {
			t.Error("the child has secrets that its caller was not given")
		}
		if _, ok := c.Get("parent"); !ok {
			t.Error("not inherited")
		}
		return nil, nil
	}
	parent := composer(t, "top/run", []string{"admin"}, []string{"a/b"}, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
		return env.Call(ctx, "a/b", nil)
	})
	parent.Capabilities = call.NewCapabilities(map[string]call.Secret{"parent": call.NewSecret([]byte("p"))})
	if _, err := register(t, child, parent).Local(nobody).Call(t.Context(), "top/run", nil); err != nil {
		t.Error(err)
	}
}

func TestComposedInputAndAnswersAreChecked(t *testing.T) {
	op := query("a/b")
	op.Input, op.Output = json.RawMessage(`{"type":"integer"}`), json.RawMessage(`{"type":"integer"}`)
	composeAs(t, []string{"call:a/b"}, []string{"a/b"}, []call.Operation{op}, func(ctx context.Context, env call.Env) {
		for input, want := range map[string]string{`"x"`: call.CodeInvalidInput, `{"a":1,"a":2}`: call.CodeInvalidInput, `1`: call.CodeInternal} {
			if _, err := env.Call(ctx, "a/b", json.RawMessage(input)); call.CodeOf(err) != want {
				t.Errorf("%s: %v", input, err)
			}
		}
	})
}

func TestSubscriptionsAreNotComposed(t *testing.T) {
	sub := public(call.Operation{Spec: call.Spec{Name: "a/c", Type: call.TypeSubscription}, Stream: items("1")})
	closed := sub
	closed.Name, closed.Access = "a/closed", call.Access{}
	composeAs(t, nil, []string{"a/c", "a/closed"}, []call.Operation{sub, closed}, func(ctx context.Context, env call.Env) {
		if _, err := env.Call(ctx, "a/c", nil); call.CodeOf(err) != call.CodeInvalidOperationType {
			t.Errorf("got %v", err)
		}
		if _, err := env.Call(ctx, "a/closed", nil); call.CodeOf(err) != call.CodeForbidden {
			t.Errorf("got %v", err)
		}
		n := 0
		for _, err := range env.Subscribe(ctx, "a/c", nil) {
			if n++; call.CodeOf(err) != call.CodeInvalidOperationType {
				t.Errorf("got %v", err)
			}
		}
		for _, err := range env.Subscribe(ctx, "x/y", nil) {
			if n++; call.CodeOf(err) != call.CodeNotFound {
				t.Errorf("got %v", err)
			}
		}
		if n != 2 {
			t.Errorf("%d items", n)
		}
	})
}

func TestErrorsOfComposedCallsAreTheChildsOwn(t *testing.T) {
	child := hidden(query("a/b"))
	child.Errors = []call.ErrorSpec{{Code: "FULL"}}
	child.Handle = fails(call.Errorf("FULL", "no room"))
	parent := composer(t, "top/run", []string{"admin"}, []string{"a/b", "a/none"}, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
		out, err := env.Call(ctx, "a/b", nil)
		if call.CodeOf(err) != "FULL" {
			t.Errorf("the parent sees %v", err)
		}
		return out, err
	})
	srv := register(t, child, parent)
	_, err := srv.Local(nobody).Call(t.Context(), "top/run", nil)
	var e *call.Error
	if !errors.As(err, &e) || e.Code != call.CodeInternal || string(e.Details) != `{"code":"FULL","message":"no room"}` {
		t.Errorf("got %#v", e)
	}
}

func TestLayersAreSessionThenRegistry(t *testing.T) {
	asked := 0
	session := new(call.Registry)
	mine := hidden(query("a/both"))
	mine.Provenance, mine.Handle = call.Session, answer(`"session"`)
	own := mine
	own.Name = "a/own"
	if err := errors.Join(session.Register(mine), session.Register(own)); err != nil {
		t.Fatal(err)
	}
	base := query("a/both")
	base.Handle = answer(`"base"`)
	only := query("a/only")
	only.Handle = answer(`"only"`)
	read := func(ctx context.Context, env call.Env) (json.RawMessage, error) {
		var all []string
		for _, name := range []string{"a/both", "a/own", "a/only"} {
			out, err := env.Call(ctx, name, nil)
			all = append(all, fmt.Sprintf("%s %v", out, err))
		}
		raw, err := json.Marshal(all)
		return raw, err
	}
	nest := composer(t, "top/nest", []string{"admin"}, []string{"top/run"}, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
		return env.Call(ctx, "top/run", nil)
	})
	srv := register(t, base, only, nest, composer(t, "top/run", []string{"admin"}, []string{"a/both", "a/own", "a/only"}, read))
	srv.Session = func(ctx context.Context, r *call.Request) *call.Registry {
		asked++
		if call.RequestFrom(ctx) != r || r.Parent != "" {
			t.Errorf("asked for %+v", r)
		}
		if r.Identity.Name == "with" {
			return session
		}
		return nil
	}
	for _, top := range []string{"top/run", "top/nest"} {
		for who, want := range map[string]string{
			"with":    `["\"session\" \u003cnil\u003e","\"session\" \u003cnil\u003e","\"only\" \u003cnil\u003e"]`,
			"without": `["\"base\" \u003cnil\u003e"," NOT_FOUND: operation not found: a/own","\"only\" \u003cnil\u003e"]`,
		} {
			asked = 0
			out, err := srv.Local(somebody(t, who, "admin")).Call(t.Context(), top, nil)
			if err != nil || string(out) != want {
				t.Errorf("%s %s: %s %v", top, who, out, err)
			}
			if asked != 1 {
				t.Errorf("%s: asked %d times", top, asked)
			}
		}
	}
	if _, err := srv.Local(somebody(t, "with", "admin")).Call(t.Context(), "a/own", nil); call.CodeOf(err) != call.CodeNotFound {
		t.Errorf("the session's operations can be called from outside: %v", err)
	}
}

func TestEndlessRecursionEnds(t *testing.T) {
	deepest := 0
	op := composer(t, "a/self", []string{"admin"}, []string{"a/self"}, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
		deepest++
		return env.Call(ctx, "a/self", nil)
	})
	_, err := register(t, op).Local(nobody).Call(t.Context(), "a/self", nil)
	if call.CodeOf(err) != call.CodeInternal || !strings.Contains(err.Error(), "nested deeper than 256") || deepest != 257 {
		t.Errorf("%v after %d", err, deepest)
	}
}

func TestComposedCallsFromManyGoroutines(t *testing.T) {
	seen := map[string]bool{}
	var mu sync.Mutex
	child := hidden(query("a/b"))
	child.Handle = func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		mu.Lock()
		defer mu.Unlock()
		seen[call.RequestFrom(ctx).ID] = true
		return nil, nil
	}
	composeAs(t, []string{"admin"}, []string{"a/b"}, []call.Operation{child}, func(ctx context.Context, env call.Env) {
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := env.Call(ctx, "a/b", nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
	if len(seen) != 100 {
		t.Errorf("%d ids for 100 calls", len(seen))
	}
}

func TestASubscriptionComposesQueries(t *testing.T) {
	child := hidden(query("a/b"))
	sub := public(call.Operation{Spec: call.Spec{Name: "a/c", Type: call.TypeSubscription}})
	sub.Authority, sub.Uses = &call.Authority{Label: "c", Scopes: grants(t, "call:a/b")}, []string{"a/b"}
	sub.Stream = func(ctx context.Context, _ json.RawMessage) iter.Seq2[json.RawMessage, error] {
		return func(yield func(json.RawMessage, error) bool) {
			yield(call.EnvFrom(ctx).Call(ctx, "a/b", nil))
		}
	}
	for out, err := range register(t, child, sub).Local(core.Identity{}).Subscribe(t.Context(), "a/c", nil) {
		if err != nil || string(out) != `"ok"` {
			t.Errorf("%s %v", out, err)
		}
	}
}
