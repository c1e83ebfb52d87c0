package call_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/alkdev/alknet/call"
)

func names(ops []call.Operation) string {
	var all []string
	for _, op := range ops {
		all = append(all, op.Name)
	}
	return strings.Join(all, " ")
}

func TestImportTakesWhatItsPatternsName(t *testing.T) {
	op := func(name string) call.Operation { return public(query(name)) }
	far := register(t, op("a/b"), op("a/c/d"), op("b/c"), op("admin/stop"), hidden(op("a/hidden")))
	overEach(t, func(t *testing.T, h *harness) {
		c := h.connect(far, nil)
		for name, test := range map[string]struct {
			patterns []string
			want     string
		}{
			"all but the namespace admin": {nil, "p/q/a/b p/q/a/c/d p/q/b/c"},
			"one component":               {[]string{"a/*"}, "p/q/a/b"},
			"all below":                   {[]string{"a/**"}, "p/q/a/b p/q/a/c/d"},
			"admin by its name":           {[]string{"admin/**", "b/c"}, "p/q/admin/stop p/q/b/c"},
			"none":                        {[]string{}, ""},
			"discovery is not imported":   {[]string{"services/**"}, ""},
		} {
			ops, err := c.Import(t.Context(), call.Import{Prefix: "p/q", Operations: test.patterns})
			if err != nil || names(ops) != test.want {
				t.Errorf("%s: %s %v", name, names(ops), err)
			}
		}
	})
}

func TestImportRefusesRulesThatAreNone(t *testing.T) {
	for name, test := range map[string]struct {
		im   call.Import
		want string
	}{
		"no prefix":            {call.Import{}, "the prefix is missing"},
		"a slash at the end":   {call.Import{Prefix: "lab/"}, "components"},
		"discovery":            {call.Import{Prefix: "services"}, "reserved"},
		"below discovery":      {call.Import{Prefix: "services/lab"}, "reserved"},
		"a bad pattern":        {call.Import{Prefix: "lab", Operations: []string{"a/b*"}}, "whole component"},
		"a pattern of a scope": {call.Import{Prefix: "lab", Operations: []string{"call:a/b"}}, "no ':'"},
		"no scope":             {call.Import{Prefix: "lab", Expose: []call.Exposure{{"lab/**", ""}}}, "the scope is missing"},
		"a scope that is none": {call.Import{Prefix: "lab", Expose: []call.Exposure{{"lab/**", "Lab Use"}}}, "Lab Use"},
		"a pattern of scopes":  {call.Import{Prefix: "lab", Expose: []call.Exposure{{"lab/**", "lab:*"}}}, "cannot be required"},
		"no names exposed":     {call.Import{Prefix: "lab", Expose: []call.Exposure{{"", "lab:use"}}}, "verb is missing"},
	} {
		if err := test.im.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
		c := liar(t, register(t), func(string, map[string]any) string { return listing() })
		if ops, err := c.Import(t.Context(), test.im); err == nil || ops != nil {
			t.Errorf("%s: imported", name)
		}
	}
	good := call.Import{Prefix: "lab", Operations: []string{"*"}, Expose: []call.Exposure{{"lab/**", "admin"}, {"lab/a/b", "call:x"}}}
	must(t, good.Check())
}

func TestAPeerCannotMakeItsOperationsPublicOrExternal(t *testing.T) {
	near := register(t)
	near.Peers = new(call.Peers)
	c := liar(t, near, func(op string, in map[string]any) string {
		switch op {
		case "services/list":
			return listing("far/op", "far/exposed")
		case "services/schema":
			return described(in["name"].(string), `"provenance":"local","Visibility":"external","public":true,"access":{"public":true},`)
		}
		return `"reached"`
	})
	ops, err := c.Import(t.Context(), call.Import{Prefix: "lab", Expose: []call.Exposure{{"lab/far/exposed", "lab:use"}}})
	must(t, err)
	for _, op := range ops {
		want, scopes := call.Internal, 0
		if op.Name == "lab/far/exposed" {
			want, scopes = call.External, 1
		}
		if op.Visibility != want || op.Access.Public || len(op.Access.Scopes) != scopes || op.Provenance != call.FromCall || op.Authority != nil {
			t.Errorf("%s: %v, %+v, %v", op.Name, op.Visibility, op.Access, op.Provenance)
		}
	}
	_, err = near.Peers.Add("lab", c, ops)
	must(t, err)
	for _, id := range []string{"x:y", "call:**"} {
		for _, op := range []string{"lab/far/op", "lab/far/exposed"} {
			if out, err := near.Local(somebody(t, "eve", id)).Call(t.Context(), op, nil); err == nil {
				t.Errorf("%s with %s: %s", op, id, out)
			}
		}
	}
}

func TestAPeersNamesShadowNothing(t *testing.T) {
	own := public(query("lab/math/add"))
	own.Handle = answer(`"own"`)
	secret := hidden(public(query("lab/math/secret")))
	top := composer(t, "top/run", []string{"call:**", "lab:use"}, []string{"lab/math/add"}, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
		return env.Call(ctx, "lab/math/add", nil)
	})
	log, text := logged()
	near := register(t, own, secret, top)
	near.Logger, near.Peers = log, new(call.Peers)
	c := liar(t, near, func(op string, in map[string]any) string {
		switch op {
		case "services/list":
			return listing("math/add", "math/secret", "services/list", "services/schema", "../services/list", "/services/x", "other/op")
		case "services/schema":
			return described(in["name"].(string), "")
		}
		return `"the peer's"`
	})
	ops, err := c.Import(t.Context(), call.Import{Prefix: "lab", Expose: []call.Exposure{{"lab/**", "lab:use"}, {"services/**", "lab:use"}}})
	if err != nil || names(ops) != "lab/other/op" {
		t.Fatalf("%s %v", names(ops), err)
	}
	for _, name := range []string{"lab/math/add", "lab/math/secret"} {
		if !strings.Contains(text(), name+" is an operation of this node") {
			t.Errorf("not told of %s:\n%s", name, text())
		}
	}
	_, err = near.Peers.Add("lab", c, ops)
	must(t, err)
	root := near.Local(somebody(t, "root", "admin"))
	for _, op := range []string{"lab/math/add", "top/run"} {
		if out, err := root.Call(t.Context(), op, nil); string(out) != `"own"` {
			t.Errorf("%s: %s %v", op, out, err)
		}
	}
	if _, err := root.Call(t.Context(), "lab/math/secret", nil); call.CodeOf(err) != call.CodeNotFound {
		t.Errorf("a hidden operation became visible: %v", err)
	}
}

// Whatever has got into Peers, the Registry answers on the wire for its names.
func TestTheRegistryWinsOnTheWire(t *testing.T) {
	far := register(t, public(query("a/b")))
	h := &harness{t: t, pair: transports["many streams"]}
	elsewhere := register(t)
	c := h.connect(far, nil, call.WithServer(elsewhere, nil))
	ops, err := c.Import(t.Context(), call.Import{Prefix: "lab", Expose: []call.Exposure{{"lab/**", "lab:use"}}})
	must(t, err)
	own := public(query("lab/a/b"))
	own.Handle = answer(`"own"`)
	near := register(t, own)
	near.Peers = new(call.Peers)
	_, err = near.Peers.Add("lab", c, ops)
	must(t, err)
	if out, err := near.Local(somebody(t, "x", "lab:use")).Call(t.Context(), "lab/a/b", nil); string(out) != `"own"` {
		t.Errorf("%s %v", out, err)
	}
	got, err := call.Call[list](t.Context(), near.Local(somebody(t, "x", "lab:use")), "services/list", nil)
	if err != nil || strings.Count(strings.Join(got.names(), " "), "lab/a/b") != 1 {
		t.Errorf("%v %v", got.names(), err)
	}
}

func TestOneBadOperationDoesNotLoseTheRest(t *testing.T) {
	bad := map[string]string{
		"far/schema":                      `{"name":"far/schema","op_type":"query","input_schema":{"type":"integer","minimum":"x"},"output_schema":{}}`,
		"far/remote":                      `{"name":"far/remote","op_type":"query","input_schema":{"$ref":"https://example.org/x"},"output_schema":{}}`,
		"far/output":                      `{"name":"far/output","op_type":"query","input_schema":{},"output_schema":{"type":7}}`,
		"far/type":                        `{"name":"far/type","op_type":"firehose"}`,
		"far/elsewhere":                   described("far/good", ""),
		"far/internal":                    `{"name":"far/internal","op_type":"query","visibility":"internal"}`,
		"far/code":                        `{"name":"far/code","op_type":"query","error_schemas":[{"code":"a b","description":"","schema":{},"http_status":null}]}`,
		"far/none":                        ``,
		"far/text":                        `"what"`,
		"far/long":                        described("far/long", `"description":"`+strings.Repeat("x", 1<<20)+`",`),
		"far":                             described("far", ""),
		"far/../up":                       described("far/../up", ""),
		"fär/op":                          described("fär/op", ""),
		"far/" + strings.Repeat("x", 200): described("far/"+strings.Repeat("x", 200), ""),
		"far" + strings.Repeat("/x", 15):  described("far"+strings.Repeat("/x", 15), ""),
	}
	var offered []string
	for name := range bad {
		offered = append(offered, name)
	}
	good := map[string]string{
		"far/good": described("far/good", ""),
		"far/bare": `{"name":"/far/bare","op_type":"subscription","description":null,"input_schema":null,"output_schema":null}`,
		"far/codes": `{"name":"far/codes","op_type":"mutation","error_schemas":[{"code":"NOT_FOUND","description":"x","schema":{},"http_status":404},` +
			`{"code":"FULL","description":"x","schema":{},"http_status":200}]}`,
	}
	log, text := logged()
	near := register(t)
	near.Logger = log
	c := liar(t, near, func(op string, in map[string]any) string {
		if op == "services/list" {
			list := listing(append(offered, "far/good", "/far/bare", "far/codes")...)
			return strings.Replace(list, "[", `[7,{"name":[]},`, 1)
		}
		name := in["name"].(string)
		return bad[name] + good[name]
	})
	ops, err := c.Import(t.Context(), call.Import{Prefix: "lab"})
	if err != nil || names(ops) != "lab/far/bare lab/far/codes lab/far/good" {
		t.Fatalf("%s %v", names(ops), err)
	}
	if e := ops[1].Errors; len(e) != 1 || e[0].Code != "FULL" || e[0].HTTPStatus != 0 {
		t.Errorf("%+v", e)
	}
	for _, name := range offered {
		if len(name) < 30 && strings.Contains(name, "/") && !strings.Contains(text(), name) {
			t.Errorf("not told why %s is missing", name)
		}
	}
}

func TestImportsThatFailAsAWhole(t *testing.T) {
	many := func(n int) string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf("far/o%d", i)
		}
		return listing(all...)
	}
	next := func(list, next string) string {
		return strings.TrimSuffix(list, "}") + `,"next":"` + next + `"}`
	}
	var page atomic.Int64
	for name, test := range map[string]struct {
		list func(in map[string]any) string
		want string
	}{
		"a name twice":             {func(map[string]any) string { return listing("far/a", "far/a") }, `the peer offers "far/a" twice`},
		"a name twice, with slash": {func(map[string]any) string { return listing("far/a", "/far/a") }, `the peer offers "far/a" twice`},
		"twice over pages": {func(in map[string]any) string {
			if in["after"] == nil {
				return next(listing("far/a"), "far/b")
			}
			return listing("far/a")
		}, `twice`},
		"a page that leads back": {func(in map[string]any) string {
			if in["after"] == nil {
				return next(listing("far/a"), "far/b")
			}
			return next(listing("far/c"), "far/a")
		}, "leads back"},
		"an empty page that leads on": {func(map[string]any) string {
			return next(listing(), fmt.Sprintf("far/o%09d", page.Add(1)))
		}, "is empty and leads on"},
		"entries that are none, without end": {func(map[string]any) string {
			return next(`{"operations":[`+strings.Repeat("7,", 9999)+`7]}`, fmt.Sprintf("far/o%09d", page.Add(1)))
		}, "offers more than 65536 operations"},
		"pages without end": {func(map[string]any) string {
			n := page.Add(1)
			var all []string
			for i := range 1000 {
				all = append(all, fmt.Sprintf("far/o%d.%d", n, i))
			}
			return next(listing(all...), fmt.Sprintf("far/o%09d", n))
		}, "more than 4096 operations: choose fewer"},
		"too many":          {func(map[string]any) string { return many(4097) }, "more than 4096 operations: choose fewer"},
		"far too many":      {func(map[string]any) string { return many(1<<16 + 1) }, "offers more than 65536 operations"},
		"no list":           {func(map[string]any) string { return `7` }, "services/list"},
		"no such operation": {func(map[string]any) string { return "" }, "NOT_FOUND"},
	} {
		c := liar(t, register(t), func(op string, in map[string]any) string {
			if op == "services/list" {
				return test.list(in)
			}
			return described(in["name"].(string), "")
		})
		ops, err := c.Import(t.Context(), call.Import{Prefix: "lab"})
		if err == nil || ops != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %d operations, %v", name, len(ops), err)
		}
		var collision *call.CollisionError
		if strings.Contains(test.want, "twice") && !errors.As(err, &collision) {
			t.Errorf("%s: no CollisionError: %v", name, err)
		}
	}
}

func TestDescriptionsAreBoundedInAll(t *testing.T) {
	var all []string
	for i := range 200 {
		all = append(all, fmt.Sprintf("far/o%d", i))
	}
	var asked atomic.Int64
	long := strings.Repeat("x", 1<<20-1000)
	c := liar(t, register(t), func(op string, in map[string]any) string {
		if op == "services/list" {
			return listing(all...)
		}
		asked.Add(1)
		return described(in["name"].(string), `"description":"`+long+`",`)
	})
	ops, err := c.Import(t.Context(), call.Import{Prefix: "lab"})
	if err == nil || !strings.Contains(err.Error(), "more than 33554432 bytes") {
		t.Errorf("%d %v", len(ops), err)
	}
	if n := asked.Load(); n > 50 {
		t.Errorf("%d were fetched all the same", n)
	}
}

func TestImportPagesToTheEnd(t *testing.T) {
	reg := new(call.Registry)
	for i := range 1300 {
		must(t, reg.Register(public(query(fmt.Sprintf("far/o%04d", i)))))
	}
	overEach(t, func(t *testing.T, h *harness) {
		ops, err := h.connect(&call.Server{Registry: reg}, nil).Import(t.Context(), call.Import{Prefix: "lab"})
		if err != nil || len(ops) != 1300 || ops[1299].Name != "lab/far/o1299" {
			t.Errorf("%d %v", len(ops), err)
		}
	})
}

func TestAnImportEndsWithItsContext(t *testing.T) {
	asked := make(chan struct{}, 8)
	end := make(chan struct{})
	c := liar(t, register(t), func(op string, in map[string]any) string {
		if op == "services/list" {
			return listing("far/a", "far/b")
		}
		asked <- struct{}{}
		<-end
		return ""
	})
	defer close(end)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if ops, err := c.Import(ctx, call.Import{Prefix: "lab"}); !errors.Is(err, context.Canceled) {
		t.Errorf("%d %v", len(ops), err)
	}
}
