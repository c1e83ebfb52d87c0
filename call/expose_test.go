package call_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

// counted is a server whose public far/op counts what reaches it.
func counted(t *testing.T) (*call.Server, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	op := public(query("far/op"))
	op.Input = json.RawMessage(`{"type":"integer"}`)
	op.Handle = func(context.Context, json.RawMessage) (json.RawMessage, error) {
		n.Add(1)
		return json.RawMessage(`"done"`), nil
	}
	other := op
	other.Name = "far/other"
	return register(t, op, other), &n
}

func TestConfusedDeputyForwardsNothing(t *testing.T) {
	far, reached := counted(t)
	near := here(t, register(t), far, call.Exposure{Operations: "lab/far/op", Scope: "lab:use"})
	for name, test := range map[string]struct {
		id        core.Identity
		operation string
		input     string
		want      string
	}{
		"nobody":                          {nobody, "lab/far/op", "1", call.CodeForbidden},
		"somebody without the scope":      {somebody(t, "eve", "lab:read"), "lab/far/op", "1", call.CodeForbidden},
		"the scope of an own operation":   {somebody(t, "eve", "call:**"), "lab/far/op", "1", call.CodeForbidden},
		"bad input before access":         {somebody(t, "eve"), "lab/far/op", `"x"`, call.CodeForbidden},
		"bad input of one who may":        {somebody(t, "alice", "lab:use"), "lab/far/op", `"x"`, call.CodeInvalidInput},
		"what no rule names":              {somebody(t, "alice", "lab:use"), "lab/far/other", "1", call.CodeNotFound},
		"what no rule names, for admin":   {somebody(t, "root", "admin"), "lab/far/other", "1", call.CodeNotFound},
		"the peer's own name":             {somebody(t, "root", "admin"), "far/op", "1", call.CodeNotFound},
		"the peer's discovery":            {somebody(t, "root", "admin"), "lab/services/list", "1", call.CodeNotFound},
		"a pinned name, as composers may": {somebody(t, "root", "admin"), "peer:lab/lab/far/op", "1", call.CodeNotFound},
	} {
		overEach(t, func(t *testing.T, h *harness) {
			var names []string
			for _, s := range test.id.Scopes {
				names = append(names, s.String())
			}
			wire := h.connect(near, names) // its peer is somebody
			callers := map[string]call.Caller{"in process": near.Local(test.id)}
			if !test.id.IsZero() {
				callers["from the wire"] = wire
			}
			for how, caller := range callers {
				_, err := caller.Call(t.Context(), test.operation, json.RawMessage(test.input))
				if call.CodeOf(err) != test.want || reached.Load() != 0 {
					t.Errorf("%s, %s: %v, and the peer was reached %d times", name, how, err, reached.Load())
				}
			}
		})
	}
	out, err := near.Local(somebody(t, "alice", "lab:use")).Call(t.Context(), "lab/far/op", json.RawMessage("1"))
	if string(out) != `"done"` || reached.Load() != 1 {
		t.Errorf("%s %v", out, err)
	}
}

func TestAnImportThatNoRuleExposesIsMissingForTheWire(t *testing.T) {
	far, reached := counted(t)
	near := here(t, register(t), far)
	overEach(t, func(t *testing.T, h *harness) {
		c := h.connect(near, []string{"admin"})
		message := func(operation string, input any) string {
			t.Helper()
			_, err := call.Call[json.RawMessage](t.Context(), c, operation, input)
			return fmt.Sprint(err)
		}
		for _, probe := range []string{"%s", "/%s"} {
			there := message(fmt.Sprintf(probe, "lab/far/op"), 1)
			missing := message(fmt.Sprintf(probe, "lab/far/xx"), 1)
			if there != strings.ReplaceAll(missing, "xx", "op") {
				t.Errorf("%q is told from %q", there, missing)
			}
		}
		if got := message("services/schema", map[string]string{"name": "lab/far/op"}); !strings.HasPrefix(got, call.CodeNotFound) {
			t.Errorf("its schema: %s", got)
		}
		for _, op := range []string{"services/list", "services/list-peers"} {
			out, err := c.Call(t.Context(), op, nil)
			if err != nil || strings.Contains(string(out), "lab") {
				t.Errorf("%s: %s %v", op, out, err)
			}
		}
	})
	if reached.Load() != 0 {
		t.Error("the peer was reached")
	}
}

func TestAnImportIsComposedUnderAnAuthorityOnly(t *testing.T) {
	far, reached := counted(t)
	run := func(scopes, uses []string, ask func(call.Env) call.Caller) error {
		top := composer(t, "top/run", scopes, uses, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
			return ask(env).Call(ctx, "lab/far/op", json.RawMessage("1"))
		})
		near := here(t, register(t, top), far)
		_, err := near.Local(somebody(t, "root", "admin")).Call(t.Context(), "top/run", nil)
		return err
	}
	layers := func(env call.Env) call.Caller { return env }
	lab := func(env call.Env) call.Caller { return env.Peer("lab") }
	attic := func(env call.Env) call.Caller { return env.Peer("attic") }
	for name, test := range map[string]struct {
		scopes, uses string
		ask          func(call.Env) call.Caller
		want         string // in the error; empty if it succeeds
	}{
		"allowed":             {"call:lab/far/op", "lab/far/op", layers, ""},
		"allowed, at a peer":  {"call:lab/**", "lab/far/op", lab, ""},
		"pinned":              {"call:lab/**", "peer:lab/lab/far/op", lab, ""},
		"pinned, asked all":   {"call:lab/**", "peer:lab/lab/far/op", layers, call.CodeNotFound},
		"another peer":        {"call:lab/**", "lab/far/op", attic, call.CodeNotFound},
		"not in Uses":         {"call:lab/**", "lab/far/other", layers, call.CodeNotFound},
		"the authority lacks": {"call:far/op", "lab/far/op", layers, call.CodeForbidden},
	} {
		before := reached.Load()
		err := run([]string{test.scopes}, []string{test.uses}, test.ask)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(string(detailsOf(err)), test.want)) {
			t.Errorf("%s: %v", name, err)
		}
		if got := reached.Load() - before; (got == 1) != (test.want == "") {
			t.Errorf("%s: the peer was reached %d times", name, got)
		}
	}
}

func detailsOf(err error) json.RawMessage {
	var e *call.Error
	if call.CodeOf(err) == "" {
		return nil
	}
	e, _ = err.(*call.Error)
	return e.Details
}

type whois struct {
	Name      string
	Forwarded *call.ForwardedFor
}

// mirror answers far/who with what it knows of its caller, and far/secret to
// admins.
func mirror(t *testing.T) *call.Server {
	t.Helper()
	reg := new(call.Registry)
	must(t,
		call.Query(reg, "far/who", func(ctx context.Context, _ struct{}) (whois, error) {
			r := call.RequestFrom(ctx)
			return whois{r.Identity.Name, r.ForwardedFor}, nil
		}, call.Public()),
		call.Query(reg, "far/secret", func(context.Context, struct{}) (string, error) { return "secret", nil }, call.RequireScopes("vault:open")),
	)
	return &call.Server{Registry: reg}
}

func TestForwardedCallsAreThisNodesAndNameTheRootCaller(t *testing.T) {
	viaTop := composer(t, "top/run", []string{"lab:use"}, []string{"top/middle"}, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
		return env.Call(ctx, "top/middle", nil)
	})
	viaTop.Authority.Scopes = grants(t, "call:top/middle", "lab:use")
	middle := composer(t, "top/middle", []string{"lab:use"}, []string{"lab/far/who"}, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
		return env.Call(ctx, "lab/far/who", nil)
	})
	near := here(t, register(t, viaTop, middle), mirror(t), call.Exposure{Operations: "lab/**", Scope: "lab:use"})
	overEach(t, func(t *testing.T, h *harness) {
		c := h.connect(near, []string{"lab:use", "vault:open"})
		for _, op := range []string{"lab/far/who", "top/run"} {
			got, err := call.Call[whois](t.Context(), c, op, nil)
			must(t, err)
			if got.Name != "peer" || got.Forwarded == nil || got.Forwarded.ID != "peer" || len(got.Forwarded.Scopes) > 0 || len(got.Forwarded.Resources) > 0 {
				t.Errorf("%s: %+v %+v", op, got, got.Forwarded)
			}
		}
	})
	got, err := call.Call[whois](t.Context(), near.Local(somebody(t, "alice", "admin")), "top/run", nil)
	if err != nil || got.Name != "peer" || got.Forwarded == nil || got.Forwarded.ID != "alice" || len(got.Forwarded.Scopes) > 0 {
		t.Errorf("%+v %v", got, err)
	}
	if got, err = call.Call[whois](t.Context(), near.Local(nobody), "top/run", nil); err != nil || got.Forwarded != nil {
		t.Errorf("for nobody: %+v %v", got, err)
	}
	if got, err = call.Call[whois](t.Context(), near.Peers.Any(), "lab/far/who", nil); err != nil || got.Forwarded != nil {
		t.Errorf("of the program itself: %+v %v", got, err)
	}
}

func TestTheRightsOfTheCallerMeanNothingAtThePeer(t *testing.T) {
	h := &harness{t: t, pair: transports["many streams"]}
	near := register(t)
	c := h.join(near, "lab", mirror(t), []string{"vault:open"}, call.Import{Prefix: "lab", Expose: []call.Exposure{{"lab/**", "lab:use"}}})
	admin := near.Local(somebody(t, "root", "admin"))
	if out, err := admin.Call(t.Context(), "lab/far/secret", nil); string(out) != `"secret"` {
		t.Fatalf("with the node's right: %s %v", out, err)
	}
	near = register(t)
	ops, err := c.Import(t.Context(), call.Import{Prefix: "lab", Expose: []call.Exposure{{"lab/**", "lab:use"}}})
	must(t, err)
	poor := h.connect(mirror(t), nil, call.WithServer(near, nil))
	stolen, err := poor.Import(t.Context(), call.Import{Prefix: "lab", Expose: []call.Exposure{{"lab/**", "lab:use"}}})
	must(t, err)
	if len(stolen) != len(ops)-1 {
		t.Errorf("a node without the right imports %d of %d operations", len(stolen), len(ops))
	}
}

// tokens knows each token as the name behind "alk_", with every right.
type tokens struct{ seen atomic.Pointer[string] }

func (p *tokens) ByKey(context.Context, auth.Key) (core.Identity, error) {
	return core.Identity{}, auth.ErrUnknownKey
}

func (p *tokens) ByToken(_ context.Context, token string) (core.Identity, error) {
	p.seen.Store(&token)
	return core.Identity{Name: strings.TrimPrefix(token, "alk_"), Kind: auth.KindToken}, nil
}

func (p *tokens) Refresh(_ context.Context, id core.Identity) (core.Identity, error) { return id, nil }

func TestTheCallersTokenIsNotPassedOn(t *testing.T) {
	h := &harness{t: t, pair: transports["many streams"]}
	for name, test := range map[string]struct {
		opts []call.ClientOption
		want string
	}{
		"a node known by its key":   {nil, "peer"},
		"a node known by its token": {[]call.ClientOption{call.WithToken("alk_node")}, "node"},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			far, known := mirror(t), new(tokens)
			far.Identities = known
			near := register(t)
			near.Peers, near.Identities = new(call.Peers), new(tokens)
			lab := h.connect(far, everything, append(test.opts, call.WithServer(near, nil))...)
			ops, err := lab.Import(t.Context(), call.Import{Prefix: "lab", Expose: []call.Exposure{{"lab/**", "lab:use"}}})
			must(t, err)
			_, err = near.Peers.Add("lab", lab, ops)
			must(t, err)
			under := call.ContextWithToken(t.Context(), "alk_alice")
			got, err := call.Call[whois](under, near.Local(somebody(t, "alice", "lab:use")), "lab/far/who", nil)
			if err != nil || got.Name != test.want || got.Forwarded == nil || got.Forwarded.ID != "alice" {
				t.Errorf("in process: %+v %v", got, err)
			}
			if got, err = call.Call[whois](under, near.Peers.Any(), "lab/far/who", nil); err != nil || got.Name != test.want {
				t.Errorf("of the program: %+v %v", got, err)
			}
			if s := known.seen.Load(); s != nil && *s != "alk_node" {
				t.Errorf("the peer has seen %s", *s)
			}
		})
	}
}

func TestThePeersErrorsPassAsTheyAre(t *testing.T) {
	full := &call.Error{Code: "FULL", Message: "no room", Retryable: true, Details: json.RawMessage(`{"free":0}`)}
	op := public(query("far/op"))
	op.Errors = []call.ErrorSpec{{Code: "FULL", Schema: json.RawMessage(`{"type":"object"}`), HTTPStatus: 507}}
	op.Handle = fails(full)
	closed := query("far/closed")
	closed.Access.Scopes = []string{"lab:read"}
	near := here(t, register(t), register(t, op, closed), call.Exposure{Operations: "lab/**", Scope: "lab:use"})
	alice := near.Local(somebody(t, "alice", "lab:use"))
	_, err := alice.Call(t.Context(), "lab/far/op", nil)
	if e, _ := err.(*call.Error); e == nil || e.Code != "FULL" || e.Message != "no room" || !e.Retryable || string(e.Details) != `{"free":0}` {
		t.Errorf("declared: %v", err)
	}
	// What the node may not call at the peer is not imported to begin with.
	if _, err = alice.Call(t.Context(), "lab/far/closed", nil); call.CodeOf(err) != call.CodeNotFound {
		t.Errorf("not granted: %v", err)
	}
}
