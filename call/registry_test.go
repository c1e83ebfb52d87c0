package call_test

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"testing"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

func somebody(t *testing.T, name string, scopes ...string) core.Identity {
	t.Helper()
	return core.Identity{Name: name, Kind: auth.KindPeer, Scopes: grants(t, scopes...)}
}

func grants(t *testing.T, scopes ...string) auth.Scopes {
	t.Helper()
	parsed, err := auth.ParseScopes(scopes)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// register makes a server of operations.
func register(t *testing.T, ops ...call.Operation) *call.Server {
	t.Helper()
	reg := new(call.Registry)
	for _, op := range ops {
		if err := reg.Register(op); err != nil {
			t.Fatal(err)
		}
	}
	return &call.Server{Registry: reg}
}

func answer(text string) func(context.Context, json.RawMessage) (json.RawMessage, error) {
	return func(context.Context, json.RawMessage) (json.RawMessage, error) { return json.RawMessage(text), nil }
}

func fails(err error) func(context.Context, json.RawMessage) (json.RawMessage, error) {
	return func(context.Context, json.RawMessage) (json.RawMessage, error) { return nil, err }
}

func items(texts ...string) func(context.Context, json.RawMessage) iter.Seq2[json.RawMessage, error] {
	return func(context.Context, json.RawMessage) iter.Seq2[json.RawMessage, error] {
		return func(yield func(json.RawMessage, error) bool) {
			for _, text := range texts {
				if !yield(json.RawMessage(text), nil) {
					return
				}
			}
		}
	}
}

func query(name string) call.Operation {
	return call.Operation{Spec: call.Spec{Name: name, Type: call.TypeQuery}, Handle: answer(`"ok"`)}
}

func TestRegisterRefusesWithTheReason(t *testing.T) {
	tests := []struct {
		name   string
		change func(*call.Operation)
		want   string
	}{
		{"taken name", func(op *call.Operation) { op.Name = "there/already" }, "the name is taken"},
		{"empty name", func(op *call.Operation) { op.Name = "" }, "none of them empty"},
		{"one component", func(op *call.Operation) { op.Name = "add" }, "two or more components"},
		{"leading slash", func(op *call.Operation) { op.Name = "/math/add" }, "none of them empty"},
		{"doubled slash", func(op *call.Operation) { op.Name = "math//add" }, "none of them empty"},
		{"dots", func(op *call.Operation) { op.Name = "math/.." }, "'.' or '..'"},
		{"space", func(op *call.Operation) { op.Name = "math/a b" }, "components of letters"},
		{"star", func(op *call.Operation) { op.Name = "math/*" }, "components of letters"},
		{"colon", func(op *call.Operation) { op.Name = "math/a:b" }, "components of letters"},
		{"letters beyond ASCII", func(op *call.Operation) { op.Name = "math/äd" }, "components of letters"},
		{"long name", func(op *call.Operation) { op.Name = "m/" + strings.Repeat("x", 300) }, "longer than 200 bytes"},
		{"reserved namespace", func(op *call.Operation) { op.Name = "services/mine" }, "reserved for discovery"},
		{"no type", func(op *call.Operation) { op.Type = "" }, "not query, mutation or subscription"},
		{"query without Handle", func(op *call.Operation) { op.Handle = nil }, "a query has Handle"},
		{"query with Stream", func(op *call.Operation) { op.Stream = items() }, "and no Stream"},
		{"mutation with Stream only", func(op *call.Operation) { op.Type, op.Handle, op.Stream = call.TypeMutation, nil, items() }, "a mutation has Handle"},
		{"subscription with Handle", func(op *call.Operation) { op.Type = call.TypeSubscription }, "a subscription has Stream"},
		{"visibility", func(op *call.Operation) { op.Visibility = "public" }, "not external or internal"},
		{"provenance", func(op *call.Operation) { op.Provenance = "from_above" }, "is unknown"},
		{"session that is not Internal", func(op *call.Operation) { op.Provenance = call.Session }, "must be Internal"},
		{"input schema", func(op *call.Operation) { op.Input = json.RawMessage(`{"type":"number!"}`) }, "input schema"},
		{"output schema", func(op *call.Operation) { op.Output = json.RawMessage(`[1]`) }, "output schema"},
		{"error schema", func(op *call.Operation) {
			op.Errors = []call.ErrorSpec{{Code: "FULL", Schema: json.RawMessage(`{`)}}
		}, "schema of the error FULL"},
		{"protocol's code", func(op *call.Operation) { op.Errors = []call.ErrorSpec{{Code: "NOT_FOUND"}} }, "belongs to the protocol"},
		{"code twice", func(op *call.Operation) { op.Errors = []call.ErrorSpec{{Code: "FULL"}, {Code: "FULL"}} }, "declared twice"},
		{"empty code", func(op *call.Operation) { op.Errors = []call.ErrorSpec{{}} }, "error code"},
		{"code with spaces", func(op *call.Operation) { op.Errors = []call.ErrorSpec{{Code: "A B"}} }, "error code"},
		{"HTTP status", func(op *call.Operation) { op.Errors = []call.ErrorSpec{{Code: "FULL", HTTPStatus: 200}} }, "400 to 599"},
		{"Public and scopes", func(op *call.Operation) { op.Access = call.Access{Public: true, Scopes: []string{"a:b"}} }, "Public stands alone"},
		{"Public and an empty any-list", func(op *call.Operation) { op.Access = call.Access{Public: true, AnyScope: []string{}} }, "Public stands alone"},
		{"Public and resource", func(op *call.Operation) {
			op.Access = call.Access{Public: true, ResourceType: "a", ResourceAction: "b"}
		}, "Public stands alone"},
		{"scope that is none", func(op *call.Operation) { op.Access.Scopes = []string{"Math"} }, "scope"},
		{"any-scope that is none", func(op *call.Operation) { op.Access.AnyScope = []string{"math:"} }, "scope"},
		{"pattern required", func(op *call.Operation) { op.Access.Scopes = []string{"call:math/*"} }, "cannot be required"},
		{"every verb required", func(op *call.Operation) { op.Access.Scopes = []string{"git:*"} }, "cannot be required"},
		{"path required", func(op *call.Operation) { op.Access.Scopes = []string{"sftp:read:/srv"} }, "only targets that are names"},
		{"host required", func(op *call.Operation) { op.Access.Scopes = []string{"ssh:forward:db:22"} }, "only targets that are names"},
		{"resource without action", func(op *call.Operation) { op.Access.ResourceType = "container" }, "both or neither"},
		{"action without resource", func(op *call.Operation) { op.Access.ResourceAction = "stop" }, "both or neither"},
		{"resource of an area with other targets", func(op *call.Operation) {
			op.Access.ResourceType, op.Access.ResourceAction = "sftp", "read"
		}, "a resource is a scope's area"},
		{"resource of area call", func(op *call.Operation) {
			op.Access.ResourceType, op.Access.ResourceAction = "call", "read"
		}, "a resource is a scope's area"},
		{"resource with colon", func(op *call.Operation) {
			op.Access.ResourceType, op.Access.ResourceAction = "a:b", "read"
		}, "contain no ':'"},
		{"id path without resource", func(op *call.Operation) { op.ResourceIDPath = "$.id" }, "without ResourceType"},
		{"id path without $", owns("id"), "write $.name.name"},
		{"id path, root", owns("$"), "write $.name.name"},
		{"id path, empty name", owns("$.a..b"), "write $.name.name"},
		{"id path, index", owns("$.a[0]"), "write $.name.name"},
		{"id path, bad escape", owns("$/a~2b"), "write $.name.name"},
		{"leaf with Authority", func(op *call.Operation) {
			op.Provenance, op.Authority = call.FromCall, &call.Authority{Label: "x"}
		}, "composes nothing"},
		{"leaf with Uses", func(op *call.Operation) { op.Provenance, op.Uses = call.FromMCP, []string{"a/b"} }, "composes nothing"},
		{"Uses without Authority", func(op *call.Operation) { op.Uses = []string{"a/b"} }, "no Authority"},
		{"Authority without Label", func(op *call.Operation) { op.Authority = &call.Authority{} }, "no Label"},
		{"ill-formed Uses", composes("a"), `"a": a name has two or more`},
		{"wildcard in Uses", composes("a/*"), "components of letters"},
		{"pinned Uses without peer", composes("peer:/a/b"), "names no peer"},
		{"pinned Uses without operation", composes("peer:laptop"), "use "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			reg := new(call.Registry)
			if err := reg.Register(query("there/already")); err != nil {
				t.Fatal(err)
			}
			op := query("math/add")
			test.change(&op)
			err := reg.Register(op)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "register operation") {
				t.Fatalf("got %v, want an error with %q", err, test.want)
			}
			srv := &call.Server{Registry: reg}
			_, err = srv.Local(somebody(t, "root", "admin")).Call(t.Context(), "math/add", nil)
			if call.CodeOf(err) != call.CodeNotFound {
				t.Errorf("after the refusal the operation answers %v", err)
			}
		})
	}
}

func owns(path string) func(*call.Operation) {
	return func(op *call.Operation) { call.Owns("container", "stop", path)(op) }
}

func composes(uses ...string) func(*call.Operation) {
	return func(op *call.Operation) { call.Composes(call.Authority{Label: "x"}, uses...)(op) }
}

func TestRegisterTakes(t *testing.T) {
	tests := map[string]func(*call.Operation){
		"many components":     func(op *call.Operation) { op.Name = "docker/container/exec-it_2.0" },
		"admin scope":         func(op *call.Operation) { op.Access.Scopes = []string{"admin"} },
		"scope with a name":   func(op *call.Operation) { op.Access.Scopes = []string{"git:read:team/site"} },
		"scope of a call":     func(op *call.Operation) { op.Access.Scopes = []string{"call:other/op"} },
		"empty any-list":      func(op *call.Operation) { op.Access.AnyScope = []string{} },
		"id path with dots":   owns("$.a.b"),
		"id path, pointer":    owns("$/a~1b/c d"),
		"pinned use":          composes("peer:laptop/fs/read", "fs/read"),
		"imported and public": func(op *call.Operation) { op.Provenance, op.Access.Public = call.FromOpenAPI, true },
		"session": func(op *call.Operation) {
			op.Provenance, op.Visibility = call.Session, call.Internal
			composes("a/b")(op)
		},
		"channel's code": func(op *call.Operation) { op.Errors = []call.ErrorSpec{{Code: "channel:forbidden", HTTPStatus: 403}} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			op := query("math/add")
			change(&op)
			if err := new(call.Registry).Register(op); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNilFunctionIsRefused(t *testing.T) {
	reg := new(call.Registry)
	if err := call.Query[int, int](reg, "a/b", nil); err == nil {
		t.Error("a query without function is registered")
	}
	if err := call.Subscription[int, int](reg, "a/c", nil); err == nil {
		t.Error("a subscription without function is registered")
	}
	if err := call.Query(nil, "a/b", func(context.Context, int) (int, error) { return 0, nil }); err == nil {
		t.Error("no registry takes an operation")
	}
}

func TestRegistryIsStaticOnceItIsUsed(t *testing.T) {
	srv := register(t, query("a/b"))
	if err := srv.Registry.Register(query("a/c")); err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Local(somebody(t, "x", "admin")).Call(t.Context(), "a/b", nil); err != nil {
		t.Fatal(err)
	}
	err := srv.Registry.Register(query("a/d"))
	if err == nil || !strings.Contains(err.Error(), "in use already") {
		t.Errorf("got %v", err)
	}
}

func TestZeroRegistryAnswersDiscovery(t *testing.T) {
	srv := &call.Server{Registry: new(call.Registry)}
	if _, err := srv.Local(core.Identity{}).Call(t.Context(), "/services/list", nil); err != nil {
		t.Error(err)
	}
}

func TestRegisteredOperationDoesNotChangeWithItsOriginal(t *testing.T) {
	op := query("a/b")
	op.Access.Scopes = []string{"git:read"}
	op.Input = json.RawMessage(`{"type":"integer"}`)
	op.Uses = []string{"x/y"}
	op.Authority = &call.Authority{Label: "l"}
	srv := register(t, op)
	op.Access.Scopes[0] = "git:write"
	copy(op.Input, `{"type":"boolean"}`)
	who := srv.Local(somebody(t, "x", "git:read"))
	if _, err := who.Call(t.Context(), "a/b", json.RawMessage(`1`)); err != nil {
		t.Error(err)
	}
	raw, err := who.Call(t.Context(), "services/schema", json.RawMessage(`{"name":"a/b"}`))
	if err != nil || !strings.Contains(string(raw), `"integer"`) || !strings.Contains(string(raw), `git:read`) {
		t.Errorf("%s %v", raw, err)
	}
}

func TestOperations(t *testing.T) {
	var first, second call.Registry
	if got := first.Operations(); len(got) != 0 {
		t.Errorf("an empty registry: %+v", got)
	}
	for _, name := range []string{"b/hidden", "b/a", "a/z"} {
		op := call.Operation{Spec: call.Spec{Name: name, Type: call.TypeQuery, Input: json.RawMessage(`{"type":"integer"}`)}, Handle: answer(`1`)}
		if name == "b/hidden" {
			op.Visibility = call.Internal
		}
		if err := first.Register(op); err != nil {
			t.Fatal(err)
		}
	}
	admin := somebody(t, "lena", "admin")
	for _, when := range []string{"before its first use", "after"} {
		got := first.Operations()
		var names []string
		for _, op := range got {
			names = append(names, op.Name)
		}
		if strings.Join(names, " ") != "a/z b/a b/hidden" {
			t.Errorf("%s: got %q", when, names)
		}
		got[0].Input[2] = 'X'
		server := call.Server{Registry: &first}
		if _, err := server.Local(admin).Call(t.Context(), "a/z", json.RawMessage(`2`)); err != nil {
			t.Errorf("%s: the copy is none: %v", when, err)
		}
	}
	for _, op := range first.Operations() {
		if err := second.Register(op); err != nil {
			t.Error(err)
		}
	}
	other := call.Server{Registry: &second}
	if out, err := other.Local(admin).Call(t.Context(), "a/z", json.RawMessage(`2`)); err != nil || string(out) != "1" {
		t.Errorf("the other registry: %s, %v", out, err)
	}
}
