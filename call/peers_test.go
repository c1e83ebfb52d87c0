package call_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/alkdev/alknet/call"
)

// here is a node with a peer "lab", that has what far has, under lab/.
func here(t *testing.T, near, far *call.Server, expose ...call.Exposure) *call.Server {
	t.Helper()
	h := &harness{t: t, pair: transports["many streams"]}
	h.join(near, "lab", far, []string{"call:**"}, call.Import{Prefix: "lab", Expose: expose})
	return near
}

// join connects near with far, which grants it scopes, and imports.
func (h *harness) join(near *call.Server, name string, far *call.Server, scopes []string, im call.Import) *call.Client {
	h.t.Helper()
	if near.Peers == nil {
		near.Peers = new(call.Peers)
	}
	c := h.connect(far, scopes, call.WithServer(near, nil))
	ops, err := c.Import(h.t.Context(), im)
	if err == nil {
		_, err = near.Peers.Add(name, c, ops)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func TestPeersZeroAndNilOfferNothing(t *testing.T) {
	var none *call.Peers
	for name, peers := range map[string]*call.Peers{"nil": none, "zero": new(call.Peers)} {
		if peers.Names() != nil && len(peers.Names()) > 0 || peers.Client("lab") != nil {
			t.Errorf("%s: somebody is there", name)
		}
		for _, caller := range []call.Caller{peers.Peer("lab"), peers.Peer(""), peers.Any()} {
			if _, err := caller.Call(t.Context(), "a/b", nil); call.CodeOf(err) != call.CodeNotFound {
				t.Errorf("%s: %v", name, err)
			}
			for _, err := range caller.Subscribe(t.Context(), "a/b", nil) {
				if call.CodeOf(err) != call.CodeNotFound {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

// saying is a public query a/b that answers with a text.
func saying(t *testing.T, text string) *call.Server {
	op := public(query("a/b"))
	op.Handle = answer(`"` + text + `"`)
	only := public(query("only/" + text))
	return register(t, op, only)
}

func TestPeerNeverFallsThroughAndAnyTakesTheFirst(t *testing.T) {
	synctest.Test(t, testPeerCallers)
}

func testPeerCallers(t *testing.T) {
	h := &harness{t: t, pair: transports["many streams"]}
	near := register(t)
	im := call.Import{Prefix: "w"}
	first := h.join(near, "zoe", saying(t, "zoe"), nil, im)
	h.join(near, "adam", saying(t, "adam"), nil, im)
	ask := func(c call.Caller, op string) string {
		t.Helper()
		out, err := c.Call(t.Context(), op, nil)
		if err != nil {
			return call.CodeOf(err)
		}
		return string(out)
	}
	if got := near.Peers.Names(); !reflect.DeepEqual(got, []string{"zoe", "adam"}) {
		t.Errorf("not in the order of their coming: %v", got)
	}
	for _, test := range []struct {
		who    string
		caller call.Caller
		op     string
		want   string
	}{
		{"any", near.Peers.Any(), "w/a/b", `"zoe"`},
		{"any", near.Peers.Any(), "/w/only/adam", `"ok"`},
		{"any", near.Peers.Any(), "a/b", call.CodeNotFound},
		{"adam", near.Peers.Peer("adam"), "w/a/b", `"adam"`},
		{"adam", near.Peers.Peer("adam"), "w/only/zoe", call.CodeNotFound},
		{"eve", near.Peers.Peer("eve"), "w/a/b", call.CodeNotFound},
	} {
		if got := ask(test.caller, test.op); got != test.want {
			t.Errorf("%s of %s: %s, want %s", test.op, test.who, got, test.want)
		}
	}
	if near.Peers.Client("zoe") != first {
		t.Error("Client is another one")
	}
	first.Close()
	<-first.Done()
	synctest.Wait()
	if got := ask(near.Peers.Any(), "w/a/b"); got != `"adam"` {
		t.Errorf("after the first has left: %s", got)
	}
	if got := ask(near.Peers.Peer("zoe"), "w/a/b"); got != call.CodeNotFound {
		t.Errorf("after it has left: %s", got)
	}
}

func TestPeersAnswerOnceOrManyTimes(t *testing.T) {
	near := here(t, register(t), mathServer(t))
	lab := near.Peers.Peer("lab")
	if _, err := lab.Call(t.Context(), "lab/math/count", json.RawMessage("3")); call.CodeOf(err) != call.CodeInvalidOperationType {
		t.Error(err)
	}
	for _, err := range lab.Subscribe(t.Context(), "lab/math/add", nil) {
		if call.CodeOf(err) != call.CodeInvalidOperationType {
			t.Error(err)
		}
	}
	sum := 0
	for n, err := range call.Subscribe[int](t.Context(), lab, "lab/math/count", 4) {
		must(t, err)
		sum += n
	}
	if sum != 6 {
		t.Error(sum)
	}
}

func TestAConnectionThatComesBackReplacesTheDeadOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &harness{t: t, pair: transports["many streams"]}
		near := register(t)
		near.Peers = new(call.Peers)
		im := call.Import{Prefix: "w"}
		var removes []func()
		var clients []*call.Client
		for _, text := range []string{"old", "new"} {
			c := h.connect(saying(t, text), nil, call.WithServer(near, nil))
			ops, err := c.Import(t.Context(), im)
			must(t, err)
			remove, err := near.Peers.Add("worker", c, ops)
			must(t, err)
			removes, clients = append(removes, remove), append(clients, c)
		}
		check := func(want string) {
			t.Helper()
			synctest.Wait()
			if out, err := near.Peers.Any().Call(t.Context(), "w/a/b", nil); string(out) != want && call.CodeOf(err) != want {
				t.Errorf("%s %v, want %s", out, err, want)
			}
		}
		check(`"new"`)
		removes[0]()
		check(`"new"`)
		clients[0].Close()
		check(`"new"`)
		removes[1]()
		removes[1]()
		check(call.CodeNotFound)
	})
}

func TestAddRefusesWithTheReason(t *testing.T) {
	h := &harness{t: t, pair: transports["many streams"]}
	c := h.connect(mathServer(t), everything)
	ops, err := c.Import(t.Context(), call.Import{Prefix: "lab"})
	must(t, err)
	ended := h.connect(mathServer(t), everything)
	ended.Close()
	changed := func(change func(*call.Operation)) []call.Operation {
		all := slices.Clone(ops)
		change(&all[0])
		return all
	}
	for name, test := range map[string]struct {
		peer   string
		client *call.Client
		ops    []call.Operation
		want   string
	}{
		"no name":           {"", c, ops, "the name of a peer"},
		"the node's own":    {"local", c, ops, "the name of a peer"},
		"a slash":           {"a/b", c, ops, "the name of a peer"},
		"no connection":     {"lab", nil, ops, "no connection"},
		"connection closed": {"lab", ended, ops, "connection closed"},
		"public":            {"lab", c, changed(func(op *call.Operation) { op.Access = call.Access{Public: true} }), "cannot be Public"},
		"local code":        {"lab", c, changed(func(op *call.Operation) { op.Provenance = call.Local }), "peers hold what was imported"},
		"discovery":         {"lab", c, changed(func(op *call.Operation) { op.Name = "services/list" }), "reserved"},
		"twice":             {"lab", c, append(slices.Clone(ops), ops[0]), "offers \"lab/math/add\" twice"},
	} {
		peers := new(call.Peers)
		remove, err := peers.Add(test.peer, test.client, test.ops)
		if err == nil || remove != nil || !strings.Contains(err.Error(), test.want) || len(peers.Names()) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTwoPeersCannotBothExposeAName(t *testing.T) {
	h := &harness{t: t, pair: transports["many streams"]}
	near := register(t)
	im := call.Import{Prefix: "w", Expose: []call.Exposure{{"w/a/b", "w:use"}}}
	h.join(near, "first", saying(t, "first"), nil, im)
	c := h.connect(saying(t, "second"), nil, call.WithServer(near, nil))
	ops, err := c.Import(t.Context(), im)
	must(t, err)
	_, err = near.Peers.Add("second", c, ops)
	var collision *call.CollisionError
	if !errors.As(err, &collision) || *collision != (call.CollisionError{Name: "w/a/b", First: "first", Second: "second"}) {
		t.Fatal(err)
	}
	if !strings.Contains(err.Error(), `"first"`) || !strings.Contains(err.Error(), `"second"`) {
		t.Errorf("not both names: %v", err)
	}
	out, err := near.Local(somebody(t, "alice", "w:use")).Call(t.Context(), "w/a/b", nil)
	if string(out) != `"first"` {
		t.Errorf("%s %v", out, err)
	}
}

type peerList struct {
	Peers []struct {
		Peer string `json:"peer_id"`
		list
	} `json:"peers"`
}

func TestListPeersShowsWhatTheCallerMayCallOfEach(t *testing.T) {
	h := &harness{t: t, pair: transports["many streams"]}
	near := register(t, query("own/op"))
	expose := func(prefix, scope string) call.Import {
		return call.Import{Prefix: prefix, Expose: []call.Exposure{{prefix + "/math/*", scope}}}
	}
	h.join(near, "lab", mathServer(t), everything, expose("lab", "lab:use"))
	h.join(near, "attic", mathServer(t), everything, expose("attic", "attic:use"))
	h.join(near, "quiet", mathServer(t), everything, call.Import{Prefix: "quiet"})
	builtin := "services/list services/list-peers services/schema"
	for name, test := range map[string]struct{ scopes, want string }{
		"nobody's scopes": {"x:y", "local: " + builtin},
		"one peer":        {"lab:use", "lab: lab/math/add lab/math/count; local: " + builtin},
		"admin":           {"admin", "attic: attic/math/add attic/math/count; lab: lab/math/add lab/math/count; local: own/op " + builtin},
	} {
		got, err := call.Call[peerList](t.Context(), near.Local(somebody(t, "x", test.scopes)), "services/list-peers", nil)
		must(t, err)
		if got.Peers[0].Peer != "local" {
			t.Errorf("%s: the node is not first: %v", name, got)
		}
		var lines []string
		for _, p := range got.Peers {
			lines = append(lines, p.Peer+": "+strings.Join(p.names(), " "))
		}
		slices.Sort(lines)
		if text := strings.Join(lines, "; "); text != test.want {
			t.Errorf("%s:\n got %s\nwant %s", name, text, test.want)
		}
	}
	own, err := call.Call[list](t.Context(), near.Local(somebody(t, "x", "lab:use")), "services/list", nil)
	if want := "lab/math/add lab/math/count " + builtin; err != nil || strings.Join(own.names(), " ") != want {
		t.Errorf("services/list: %v %v", own.names(), err)
	}
}

func TestPeersAreReadWhileTheyChange(t *testing.T) {
	h := &harness{t: t, pair: transports["many streams"]}
	near := register(t)
	h.join(near, "steady", saying(t, "steady"), nil, call.Import{Prefix: "w"})
	c := h.connect(mathServer(t), everything, call.WithServer(near, nil))
	ops, err := c.Import(t.Context(), call.Import{Prefix: "lab"})
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		for ctx.Err() == nil {
			remove, err := near.Peers.Add("other", c, ops)
			if err != nil {
				t.Error(err)
				return
			}
			remove()
		}
	}()
	for range 200 {
		out, err := near.Peers.Any().Call(t.Context(), "w/a/b", nil)
		if string(out) != `"steady"` {
			t.Errorf("%s %v", out, err)
		}
	}
	stop()
	<-changed
}
