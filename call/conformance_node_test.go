package call_test

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"strings"
	"sync"
	"testing"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

// conformanceNode is the node that testdata/conformance/README.md describes.
func conformanceNode(t *testing.T) *call.Server {
	t.Helper()
	reg := new(call.Registry)
	stops := &counter{changed: make(chan struct{})}
	public := call.Access{Public: true}
	quota := []call.ErrorSpec{{
		Code: "QUOTA_EXCEEDED", Description: "Too much.", HTTPStatus: 429,
		Schema: json.RawMessage(`{"type":"object","properties":{"limit":{"type":"integer"}},"required":["limit"]}`),
	}}
	const add = `{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a","b"],"additionalProperties":false}`
	once := func(name string, typ call.Type, access call.Access, handle handler, change ...func(*call.Spec)) {
		spec := call.Spec{Name: "test/" + name, Type: typ, Access: access}
		for _, f := range change {
			f(&spec)
		}
		op := call.Operation{Spec: spec, Handle: handle}
		if name == "compose" {
			op.Uses = []string{"test/echo", "test/never", "test/count", "test/internal", "test/guarded"}
			op.Authority = &call.Authority{Label: name, Scopes: scopes(t, "call:test/internal")}
		}
		mustRegister(t, reg, op)
	}
	stream := func(name string, handle streamHandler, change ...func(*call.Spec)) {
		spec := call.Spec{Name: "test/" + name, Type: call.TypeSubscription, Access: public}
		for _, f := range change {
			f(&spec)
		}
		mustRegister(t, reg, call.Operation{Spec: spec, Stream: handle})
	}

	once("echo", call.TypeQuery, public, func(_ context.Context, in json.RawMessage) (json.RawMessage, error) {
		return bytes.Clone(in), nil
	})
	once("add", call.TypeQuery, public, handling(func(_ context.Context, in struct{ A, B int }) (any, error) {
		return map[string]int{"sum": in.A + in.B}, nil
	}), func(s *call.Spec) {
		s.Description = "Adds two integers."
		s.Input = json.RawMessage(add)
		s.Output = json.RawMessage(`{"type":"object","properties":{"sum":{"type":"integer"}},"required":["sum"]}`)
	})
	once("whoami", call.TypeQuery, public, whoami)
	once("fail", call.TypeMutation, public, handling(func(_ context.Context, in failure) (any, error) { return nil, in.err() }),
		func(s *call.Spec) { s.Errors = quota })
	once("panic", call.TypeMutation, public, func(context.Context, json.RawMessage) (json.RawMessage, error) { panic("secret") })
	once("bad-output", call.TypeQuery, public, constant(`"text"`), func(s *call.Spec) { s.Output = json.RawMessage(`{"type":"integer"}`) })
	once("never", call.TypeQuery, public, func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		<-ctx.Done()
		stops.add()
		return nil, ctx.Err()
	})
	once("stopped", call.TypeQuery, public, handling(func(ctx context.Context, in struct{ N int }) (any, error) {
		n, err := stops.reach(ctx, in.N)
		return map[string]int{"stopped": n}, err
	}))
	once("internal", call.TypeQuery, call.Access{}, constant(`null`), func(s *call.Spec) { s.Visibility = call.Internal })
	once("guarded", call.TypeQuery, call.Access{}, constant(`null`))
	once("admin", call.TypeMutation, call.Access{Scopes: []string{"test:admin"}}, constant(`null`), func(s *call.Spec) { s.Input = json.RawMessage(add) })
	once("box", call.TypeQuery, call.Access{ResourceType: "test", ResourceAction: "read"}, constant(`null`), func(s *call.Spec) { s.ResourceIDPath = "$.id" })
	once("callback", call.TypeMutation, public, handling(func(ctx context.Context, in target) (any, error) {
		out, err := call.RequestFrom(ctx).Client.Call(ctx, in.Operation, in.Input)
		switch {
		case ctx.Err() != nil:
			stops.add()
			return nil, ctx.Err()
		case err != nil:
			return failed(err), nil
		}
		return map[string]json.RawMessage{"output": out}, nil
	}))
	once("compose", call.TypeQuery, public, handling(func(ctx context.Context, in target) (any, error) {
		return call.EnvFrom(ctx).Call(ctx, in.Operation, in.Input)
	}))

	stream("count", yielding(func(_ context.Context, in struct{ N int }, yield func(any, error) bool) {
		for i := 1; i <= in.N && yield(i, nil); i++ {
		}
	}), func(s *call.Spec) {
		s.Input = json.RawMessage(`{"type":"object","properties":{"n":{"type":"integer","minimum":0}},"required":["n"]}`)
	})
	stream("endless", yielding(func(ctx context.Context, _ any, yield func(any, error) bool) {
		if yield(1, nil) {
			<-ctx.Done()
		}
		stops.add()
	}))
	stream("stream-error", yielding(func(_ context.Context, in failure, yield func(any, error) bool) {
		if yield(1, nil) {
			yield(nil, in.err())
		}
	}), func(s *call.Spec) { s.Errors = quota })
	stream("flood", yielding(func(_ context.Context, in struct{ N, Size int }, yield func(any, error) bool) {
		pad := strings.Repeat("x", in.Size)
		for i := 1; i <= in.N && yield(map[string]any{"i": i, "pad": pad}, nil); i++ {
		}
	}))
	stream("subscribe-back", yielding(func(ctx context.Context, in target, yield func(any, error) bool) {
		for out, err := range call.RequestFrom(ctx).Client.Subscribe(ctx, in.Operation, in.Input) {
			if err != nil {
				yield(failed(err), nil)
				return
			}
			if !yield(out, nil) {
				return
			}
		}
	}))

	known := identities{}
	for name, granted := range map[string][]string{"alice": {"call:test/guarded", "test:read:box-1"}, "root": {"admin"}} {
		known["alk_"+name] = core.Identity{Name: name, Kind: auth.KindToken, Scopes: scopes(t, granted...), Credential: auth.Credential{TokenID: name}}
	}
	return &call.Server{Registry: reg, Identities: known, Limits: call.Limits{InFlight: 16}}
}

func mustRegister(t *testing.T, reg *call.Registry, op call.Operation) {
	t.Helper()
	if err := reg.Register(op); err != nil {
		t.Fatal(err)
	}
}

func scopes(t *testing.T, texts ...string) auth.Scopes {
	t.Helper()
	s, err := auth.ParseScopes(texts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type (
	handler       = func(context.Context, json.RawMessage) (json.RawMessage, error)
	streamHandler = func(context.Context, json.RawMessage) iter.Seq2[json.RawMessage, error]
)

type target struct {
	Operation string
	Input     json.RawMessage
}

type failure struct {
	Code, Message string
	Retryable     bool
	Details       json.RawMessage
}

func (f failure) err() error {
	return &call.Error{Code: f.Code, Message: f.Message, Retryable: f.Retryable, Details: f.Details}
}

// failed is what test/callback says of a call that failed.
func failed(err error) any {
	told := err.(*call.Error)
	return map[string]any{"error": map[string]any{"code": told.Code, "retryable": told.Retryable, "details": told.Details}}
}

func whoami(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
	var who struct {
		Name  *string `json:"name"`
		Claim *string `json:"claim"`
	}
	r := call.RequestFrom(ctx)
	if !r.Identity.IsZero() {
		who.Name = &r.Identity.Name
	}
	if r.ForwardedFor != nil {
		who.Claim = &r.ForwardedFor.ID
	}
	return json.Marshal(who)
}

func constant(raw string) handler {
	return func(context.Context, json.RawMessage) (json.RawMessage, error) { return json.RawMessage(raw), nil }
}

func handling[I any](f func(context.Context, I) (any, error)) handler {
	return func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
		var in I
		if err := json.Unmarshal(input, &in); err != nil {
			return nil, err
		}
		out, err := f(ctx, in)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}
}

func yielding[I any](f func(context.Context, I, func(any, error) bool)) streamHandler {
	return func(ctx context.Context, input json.RawMessage) iter.Seq2[json.RawMessage, error] {
		return func(yield func(json.RawMessage, error) bool) {
			var in I
			if err := json.Unmarshal(input, &in); err != nil {
				yield(nil, err)
				return
			}
			f(ctx, in, func(out any, err error) bool {
				var raw json.RawMessage
				if err == nil {
					raw, err = json.Marshal(out)
				}
				return yield(raw, err)
			})
		}
	}
}

// counter counts up, for those who wait until it is high enough.
type counter struct {
	mu      sync.Mutex // protects what follows
	n       int
	changed chan struct{} // closed and replaced at each change
}

func (c *counter) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *counter) reach(ctx context.Context, n int) (int, error) {
	for {
		c.mu.Lock()
		now, changed := c.n, c.changed
		c.mu.Unlock()
		if now >= n {
			return now, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}

// identities are people by token.
type identities map[string]core.Identity

func (identities) ByKey(context.Context, auth.Key) (core.Identity, error) {
	return core.Identity{}, auth.ErrUnknownKey
}

func (p identities) ByToken(_ context.Context, token string) (core.Identity, error) {
	if id, ok := p[token]; ok {
		return id, nil
	}
	return core.Identity{}, auth.ErrUnknownToken
}

func (p identities) Refresh(ctx context.Context, id core.Identity) (core.Identity, error) {
	return p.ByToken(ctx, "alk_"+id.Name)
}
