package call_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
)

type list struct {
	Operations []struct {
		Name string `json:"name"`
	} `json:"operations"`
	Next string `json:"next"`
}

func (l list) names() []string {
	var names []string
	for _, op := range l.Operations {
		names = append(names, op.Name)
	}
	return names
}

func shop(t *testing.T) *call.Server {
	t.Helper()
	stock := query("shop/stock")
	stock.Description = "What is there."
	open := public(query("shop/hours"))
	order := query("shop/order")
	order.Type, order.Access.Scopes = call.TypeMutation, []string{"shop:write"}
	box := query("box/stop")
	owns("$.id")(&box)
	sub := call.Operation{Spec: call.Spec{Name: "shop/watch", Type: call.TypeSubscription}, Stream: items()}
	return register(t, sub, stock, open, order, box, hidden(public(query("shop/ledger"))))
}

func TestListShowsWhatTheCallerMayCall(t *testing.T) {
	builtin := []string{"services/list", "services/schema"}
	expired := somebody(t, "x", "admin")
	expired.Expires = expired.Expires.AddDate(100, 0, 0)
	for name, test := range map[string]struct {
		id   core.Identity
		want []string
	}{
		"nobody":          {nobody, []string{"shop/hours"}},
		"expired":         {expired, []string{"shop/hours"}},
		"one scope":       {somebody(t, "x", "call:shop/stock"), []string{"shop/hours", "shop/stock"}},
		"another scope":   {somebody(t, "x", "shop:write"), []string{"shop/hours", "shop/order"}},
		"one resource":    {somebody(t, "x", "container:stop:b1"), []string{"box/stop", "shop/hours"}},
		"everything":      {somebody(t, "x", "admin"), []string{"box/stop", "shop/hours", "shop/order", "shop/stock", "shop/watch"}},
		"internals' name": {somebody(t, "x", "call:shop/ledger"), []string{"shop/hours"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := call.Call[list](t.Context(), shop(t).Local(test.id), "services/list", nil)
			want := append(test.want, builtin...)
			slices.Sort(want)
			if err != nil || !reflect.DeepEqual(got.names(), want) {
				t.Errorf("%v %v, want %v", got.names(), err, want)
			}
		})
	}
}

func TestListAsItIsWritten(t *testing.T) {
	out, err := shop(t).Local(somebody(t, "x", "call:shop/*")).Call(t.Context(), "services/list", json.RawMessage(`{"limit":2,"after":"services/schema"}`))
	want := `{"operations":[{"name":"shop/hours","namespace":"shop","op_type":"query"},` +
		`{"name":"shop/stock","namespace":"shop","op_type":"query","description":"What is there."}],` +
		`"next":"shop/stock","protocol":{"concurrent":true}}`
	if err != nil || string(out) != want {
		t.Errorf("%s %v", out, err)
	}
}

func TestListIsPaged(t *testing.T) {
	caller := shop(t).Local(somebody(t, "x", "admin"))
	whole, err := call.Call[list](t.Context(), caller, "services/list", nil)
	if err != nil || whole.Next != "" {
		t.Fatalf("%+v %v", whole, err)
	}
	for limit := 1; limit <= len(whole.Operations)+1; limit++ {
		var names []string
		after := ""
		for pages := 0; ; pages++ {
			got, err := call.Call[list](t.Context(), caller, "services/list", map[string]any{"limit": limit, "after": after})
			if err != nil || len(got.Operations) > limit || pages > len(whole.Operations) {
				t.Fatalf("%+v %v", got, err)
			}
			names = append(names, got.names()...)
			if after = got.Next; after == "" {
				break
			}
		}
		if !reflect.DeepEqual(names, whole.names()) {
			t.Errorf("limit %d: %v", limit, names)
		}
	}
	got, err := call.Call[list](t.Context(), caller, "services/list", map[string]any{"after": "services/zzz"})
	if err != nil || got.Operations[0].Name != "shop/hours" {
		t.Errorf("after a name that is not there: %v %v", got.names(), err)
	}
}

func TestListIgnoresTheInputOfOldClients(t *testing.T) {
	caller := shop(t).Local(nobody)
	for _, input := range []string{`null`, `{}`, `7`, `"x"`, `[1]`, `{"unknown":1}`} {
		if got, err := caller.Call(t.Context(), "services/list", json.RawMessage(input)); err != nil || !strings.Contains(string(got), "shop/hours") {
			t.Errorf("%s: %s %v", input, got, err)
		}
	}
	for _, input := range []string{`{"limit":0}`, `{"limit":"x"}`, `{"limit":1.5}`, `{"after":1}`} {
		if _, err := caller.Call(t.Context(), "services/list", json.RawMessage(input)); call.CodeOf(err) != call.CodeInvalidInput {
			t.Errorf("%s: %v", input, err)
		}
	}
	for input, want := range map[string]int{`{"limit":1e300}`: 3, `{"limit":1e2}`: 3, `{"limit":2.0}`: 2, `{"limit":0.1e1}`: 1} {
		got, err := call.Call[list](t.Context(), caller, "services/list", json.RawMessage(input))
		if err != nil || len(got.Operations) != want {
			t.Errorf("%s: %v %v", input, got, err)
		}
	}
}

func TestSchemaHasItsEightKeysAlways(t *testing.T) {
	caller := register(t, query("a/b")).Local(somebody(t, "x", "admin"))
	for _, name := range []string{"a/b", "/a/b"} {
		out, err := caller.Call(t.Context(), "services/schema", json.RawMessage(`{"name":"`+name+`"}`))
		want := `{"name":"a/b","namespace":"a","op_type":"query","visibility":"external",` +
			`"input_schema":{},"output_schema":{},"error_schemas":[],` +
			`"access_control":{"required_scopes":["call:a/b"],"required_scopes_any":null,"resource_type":null,"resource_action":null}}`
		if err != nil || string(out) != want {
			t.Errorf("%s %v", out, err)
		}
	}
}

func TestSchemaDescribesEverything(t *testing.T) {
	op := query("box/stop")
	op.Description = "Stops a box."
	op.Input, op.Output = json.RawMessage(`{"type":"object"}`), json.RawMessage(`{"type":"null"}`)
	op.Errors = []call.ErrorSpec{{Code: "GONE", Description: "d", Schema: json.RawMessage(`{"type":"string"}`), HTTPStatus: 410}, {Code: "B"}}
	owns("$.id")(&op)
	op.Access.AnyScope = []string{"git:read", "git:write"}
	out, err := register(t, op).Local(somebody(t, "x", "admin")).Call(t.Context(), "services/schema", json.RawMessage(`{"name":"box/stop"}`))
	// "container" is what owns asks for.
	want := `{"name":"box/stop","namespace":"box","op_type":"query","visibility":"external","description":"Stops a box.",` +
		`"input_schema":{"type":"object"},"output_schema":{"type":"null"},` +
		`"error_schemas":[{"code":"GONE","description":"d","schema":{"type":"string"},"http_status":410},{"code":"B","description":"","schema":{},"http_status":null}],` +
		`"access_control":{"required_scopes":[],"required_scopes_any":["git:read","git:write"],"resource_type":"container","resource_action":"stop"},"resource_id_path":"$.id"}`
	if err != nil || string(out) != want {
		t.Errorf("%s %v", out, err)
	}
}

func TestSchemaTellsNoOneWhatTheyMayNotCall(t *testing.T) {
	srv := shop(t)
	for who, names := range map[*core.Identity][]string{
		{}:                                   {"shop/stock", "shop/ledger", "box/stop", "shop/none", "services/list-peers"},
		new(somebody(t, "x", "call:shop/*")): {"shop/order", "shop/ledger", "box/stop", "shop/none"},
		new(somebody(t, "x", "admin")):       {"shop/ledger", "shop/none", ""},
	} {
		for _, name := range names {
			_, err := srv.Local(*who).Call(t.Context(), "services/schema", json.RawMessage(fmt.Sprintf(`{"name":%q}`, name)))
			if err == nil || err.Error() != "NOT_FOUND: operation not found: "+name {
				t.Errorf("%v: %v", who, err)
			}
		}
	}
	for _, input := range []string{`{}`, `null`, `{"name":1}`} {
		if _, err := srv.Local(nobody).Call(t.Context(), "services/schema", json.RawMessage(input)); call.CodeOf(err) != call.CodeInvalidInput {
			t.Errorf("%s: %v", input, err)
		}
	}
}

func TestListPeersIsThereOnlyWithPeers(t *testing.T) {
	srv := shop(t)
	if _, err := srv.Local(somebody(t, "x", "admin")).Call(t.Context(), "services/list-peers", nil); call.CodeOf(err) != call.CodeNotFound {
		t.Errorf("without Peers: %v", err)
	}
	srv = shop(t)
	srv.Peers = new(call.Peers)
	type peers struct {
		Peers []struct {
			Peer string `json:"peer_id"`
			list
		} `json:"peers"`
	}
	for _, id := range []core.Identity{nobody, somebody(t, "x", "admin")} {
		own, err := call.Call[list](t.Context(), srv.Local(id), "services/list", nil)
		if err != nil || !slices.Contains(own.names(), "services/list-peers") {
			t.Errorf("%v %v", own.names(), err)
		}
		got, err := call.Call[peers](t.Context(), srv.Local(id), "services/list-peers", nil)
		if err != nil || len(got.Peers) != 1 || got.Peers[0].Peer != "local" || !reflect.DeepEqual(got.Peers[0].names(), own.names()) {
			t.Errorf("%+v %v", got, err)
		}
	}
}

func TestDiscoveryIsComposedUnderTheAuthority(t *testing.T) {
	op := composer(t, "top/run", []string{"call:shop/stock"}, []string{"services/list"}, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
		got, err := call.Call[list](ctx, env, "services/list", nil)
		if err != nil || !reflect.DeepEqual(got.names(), []string{"services/list", "services/schema", "shop/stock", "top/run"}) {
			t.Errorf("%v %v", got.names(), err)
		}
		return nil, nil
	})
	srv := register(t, op, query("shop/stock"), query("shop/order"))
	if _, err := srv.Local(somebody(t, "x", "admin")).Call(t.Context(), "top/run", nil); err != nil {
		t.Error(err)
	}
}
