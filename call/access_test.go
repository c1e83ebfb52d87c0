package call_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
)

func TestAccess(t *testing.T) {
	scoped := func(scopes ...string) call.Access { return call.Access{Scopes: scopes} }
	some := func(scopes ...string) call.Access { return call.Access{AnyScope: append([]string{}, scopes...)} }
	tests := []struct {
		name   string
		access call.Access
		held   []string
		want   string // in the message of FORBIDDEN; empty: admitted
	}{
		{"zero Access, own scope", call.Access{}, []string{"call:math/add"}, ""},
		{"zero Access, pattern", call.Access{}, []string{"call:math/*"}, ""},
		{"zero Access, admin", call.Access{}, []string{"admin"}, ""},
		{"zero Access, nothing held", call.Access{}, nil, "missing required scope: call:math/add"},
		{"zero Access, other operation", call.Access{}, []string{"call:math/sub", "git:*"}, "missing required scope: call:math/add"},
		{"empty scopes are the zero Access", call.Access{Scopes: []string{}}, nil, "missing required scope: call:math/add"},
		{"scopes replace the default", scoped("git:read"), []string{"call:**"}, "missing required scope: git:read"},
		{"scope held", scoped("git:read"), []string{"git:read"}, ""},
		{"all scopes are needed", scoped("git:read", "git:write"), []string{"git:read"}, "missing required scope: git:write"},
		{"all scopes held", scoped("git:read", "git:write"), []string{"git:*"}, ""},
		{"grant of one target is no grant of all", scoped("git:read"), []string{"git:read:site"}, "missing required scope"},
		{"required target", scoped("git:read:site"), []string{"git:read:site"}, ""},
		{"required target, all granted", scoped("git:read:site"), []string{"git:read"}, ""},
		{"required target, other granted", scoped("git:read:site"), []string{"git:read:other"}, "missing required scope: git:read:site"},
		{"admin required", scoped("admin"), []string{"admin"}, ""},
		{"admin required, everything else held", scoped("admin"), []string{"call:**", "git:*"}, "missing required scope: admin"},
		{"reserved verb", scoped("git:admin"), []string{"git:*"}, "missing required scope: git:admin"},
		{"one of", some("git:read", "git:write"), []string{"git:write"}, ""},
		{"none of", some("git:read", "git:write"), []string{"call:**"}, "missing required scope (any of: git:read, git:write)"},
		{"an empty any-list admits nobody", some(), []string{"admin"}, "missing required scope (any of: )"},
		{"scopes and one of", call.Access{Scopes: []string{"call:a/b"}, AnyScope: []string{"git:read"}}, []string{"call:a/b"}, "any of"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			op := query("math/add")
			op.Access = test.access
			_, err := register(t, op).Local(somebody(t, "peer", test.held...)).Call(t.Context(), "math/add", nil)
			checkForbidden(t, err, test.want)
		})
	}
}

func checkForbidden(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if call.CodeOf(err) != call.CodeForbidden || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want FORBIDDEN with %q", err, want)
	}
}

func TestNobodyMayCallWhatIsPublicOnly(t *testing.T) {
	open := query("open/op")
	open.Access.Public = true
	srv := register(t, open, query("closed/op"))
	expired := somebody(t, "peer", "admin")
	expired.Expires = time.Now().Add(-time.Hour)
	for name, id := range map[string]core.Identity{
		"nobody":                {},
		"a name without a kind": {Name: "root", Scopes: grants(t, "admin")},
		"expired":               expired,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := srv.Local(id).Call(t.Context(), "open/op", nil); err != nil {
				t.Error(err)
			}
			_, err := srv.Local(id).Call(t.Context(), "closed/op", nil)
			if !errors.Is(err, core.ErrAuthRequired) || !strings.HasSuffix(err.Error(), "authentication required") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// owners is an Ownership that fails the test where it must not be asked.
type owners struct {
	t       *testing.T
	allowed bool
	asked   []string
}

func (o *owners) Owns(id core.Identity, typ, resource, action string) bool {
	o.asked = append(o.asked, id.Name+" "+action+" "+typ+"/"+resource)
	return o.allowed
}

func (o *owners) OwnsAny(id core.Identity, typ string) bool {
	o.asked = append(o.asked, id.Name+" any "+typ)
	return o.allowed
}

func resourceOp(path string) call.Operation {
	op := query("container/stop")
	owns(path)(&op)
	return op
}

func TestResourceByScope(t *testing.T) {
	tests := []struct {
		name, path, input string
		held              []string
		want              string
	}{
		{"this one", "$.id", `{"id":"c1"}`, []string{"container:stop:c1"}, ""},
		{"all", "$.id", `{"id":"c1"}`, []string{"container:stop"}, ""},
		{"another", "$.id", `{"id":"c1"}`, []string{"container:stop:c2"}, "missing resource: container/stop"},
		{"another action", "$.id", `{"id":"c1"}`, []string{"container:start:c1"}, "missing resource: container/stop"},
		{"the operation's scope is no grant", "$.id", `{"id":"c1"}`, []string{"call:**"}, "missing resource"},
		{"no id needs all", "$.id", `{}`, []string{"container:stop:c1"}, "missing resource"},
		{"no id, all held", "$.id", `{}`, []string{"container:stop"}, ""},
		{"id that is no string", "$.id", `{"id":["c1"]}`, []string{"container:stop:c1"}, "missing resource"},
		{"nested", "$.a.id", `{"x":[{}],"a":{"id":"c1"},"id":"c2"}`, []string{"container:stop:c1"}, ""},
		{"pointer", "$/a~1b/id", `{"a/b":{"id":"c1"}}`, []string{"container:stop:c1"}, ""},
		{"escaped", "$.id", `{"\u0069d":"c\u0031"}`, []string{"container:stop:c1"}, ""},
		{"case counts", "$.id", `{"ID":"c1","id":"c2"}`, []string{"container:stop:c1"}, "missing resource"},
		{"a pattern as id is no pattern", "$.id", `{"id":"*"}`, []string{"container:stop:c1"}, "missing resource"},
		{"dots are admin's", "$.id", `{"id":"../c1"}`, []string{"container:stop", "container:stop:**"}, "missing resource"},
		{"an empty id is admin's", "$.id", `{"id":""}`, []string{"container:stop"}, "missing resource"},
		{"array on the way", "$.a.id", `{"a":[{"id":"c1"}]}`, []string{"container:stop:c1"}, "missing resource"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv := register(t, resourceOp(test.path))
			_, err := srv.Local(somebody(t, "peer", test.held...)).Call(t.Context(), "container/stop", json.RawMessage(test.input))
			checkForbidden(t, err, test.want)
		})
	}
}

func TestOwnershipDecidesAloneWhereItIsWired(t *testing.T) {
	for _, allowed := range []bool{true, false} {
		own := &owners{t: t, allowed: allowed}
		srv := register(t, resourceOp("$.id"))
		srv.Ownership = own
		admin := srv.Local(somebody(t, "peer", "admin"))
		want := map[bool][2]string{
			true:  {"", ""},
			false: {"not owner of resource: container/c1", "no owned resources of type: container"},
		}[allowed]
		_, err := admin.Call(t.Context(), "container/stop", json.RawMessage(`{"id":"c1"}`))
		checkForbidden(t, err, want[0])
		_, err = admin.Call(t.Context(), "container/stop", nil)
		checkForbidden(t, err, want[1])
		if got := strings.Join(own.asked, ", "); got != "peer stop container/c1, peer any container" {
			t.Errorf("asked: %s", got)
		}
	}
}

func TestOwnershipIsNotAskedAboutNobody(t *testing.T) {
	own := &owners{t: t, allowed: true}
	srv := register(t, resourceOp("$.id"))
	srv.Ownership = own
	expired := somebody(t, "peer", "admin")
	expired.Expires = time.Now().Add(-time.Second)
	for _, id := range []core.Identity{{}, expired} {
		_, err := srv.Local(id).Call(t.Context(), "container/stop", json.RawMessage(`{"id":"c1"}`))
		if !errors.Is(err, core.ErrAuthRequired) {
			t.Errorf("got %v", err)
		}
	}
	if own.asked != nil {
		t.Errorf("asked: %v", own.asked)
	}
}

func TestInternalOperationIsIndistinguishableFromAMissingOne(t *testing.T) {
	hidden := resourceOp("$.id")
	hidden.Name, hidden.Visibility = "secret/stop", call.Internal
	hidden.Input = json.RawMessage(`{"type":"object","required":["id"]}`)
	hidden.Handle = func(context.Context, json.RawMessage) (json.RawMessage, error) {
		t.Error("the handler ran")
		return nil, nil
	}
	for name, id := range map[string]core.Identity{
		"nobody": {},
		"admin":  somebody(t, "root", "admin"),
		"peer":   somebody(t, "peer", "call:secret/stop", "container:stop"),
	} {
		t.Run(name, func(t *testing.T) {
			own := &owners{t: t, allowed: true}
			with, without := register(t, hidden), register(t)
			with.Ownership, without.Ownership = own, own
			for _, input := range []string{`{"id":"c1"}`, `{}`, `null`, `7`} {
				for _, ask := range [][2]string{
					{"secret/stop", input},
					{"/secret/stop", input},
					{"services/schema", `{"name":"secret/stop"}`},
					{"services/list", `{}`},
				} {
					got, gotErr := with.Local(id).Call(t.Context(), ask[0], json.RawMessage(ask[1]))
					want, wantErr := without.Local(id).Call(t.Context(), ask[0], json.RawMessage(ask[1]))
					if string(got) != string(want) || !reflect.DeepEqual(gotErr, wantErr) {
						t.Errorf("%s %s: %s %v, and %s %v if it is missing", ask[0], ask[1], got, gotErr, want, wantErr)
					}
				}
				for _, err := range with.Local(id).Subscribe(t.Context(), "secret/stop", json.RawMessage(input)) {
					if call.CodeOf(err) != call.CodeNotFound || !strings.HasSuffix(err.Error(), "operation not found: secret/stop") {
						t.Errorf("got %v", err)
					}
				}
			}
			if own.asked != nil {
				t.Errorf("access was checked: %v", own.asked)
			}
		})
	}
}

func TestExistenceIsCheckedBeforeAccessBeforeInput(t *testing.T) {
	op := query("math/add")
	op.Input = json.RawMessage(`{"type":"integer"}`)
	srv := register(t, op)
	bad := json.RawMessage(`"no integer"`)
	for _, step := range []struct {
		who  core.Identity
		name string
		want string
	}{
		{core.Identity{}, "math/sub", call.CodeNotFound},
		{core.Identity{}, "math/add", call.CodeForbidden},
		{somebody(t, "peer"), "math/add", call.CodeForbidden},
		{somebody(t, "peer", "call:math/add"), "math/add", call.CodeInvalidInput},
	} {
		if _, err := srv.Local(step.who).Call(t.Context(), step.name, bad); call.CodeOf(err) != step.want {
			t.Errorf("%v calls %s: %v, want %s", step.who, step.name, err, step.want)
		}
	}
}

func TestInputThatIsNotStrictJSONIsRefused(t *testing.T) {
	op := query("math/add")
	op.Access.Public = true
	srv := register(t, op)
	for _, input := range []string{``, `{`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, "\"\xff\"", `1 2`, `01`, strings.Repeat("[", 200) + strings.Repeat("]", 200)} {
		if _, err := srv.Local(core.Identity{}).Call(t.Context(), "math/add", json.RawMessage(input)); call.CodeOf(err) != call.CodeInvalidInput {
			t.Errorf("%.20q: %v", input, err)
		}
	}
}

func TestNamesInMessagesAreBounded(t *testing.T) {
	srv := register(t)
	_, err := srv.Local(core.Identity{}).Call(t.Context(), strings.Repeat("x", 1<<20), nil)
	if call.CodeOf(err) != call.CodeNotFound || len(err.Error()) > 300 {
		t.Errorf("%d bytes", len(err.Error()))
	}
}
