package call_test

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core/coretest"
)

func TestPinnedUsesReachTheirPeerAndNoOther(t *testing.T) {
	peers := new(call.Peers)
	for _, name := range []string{"first", "second"} {
		near, far := coretest.Pair(call.ALPN)
		c := call.NewClient(near)
		t.Cleanup(func() {
			c.Close()
			far.Close(0, "")
			<-c.Done()
		})
		var ops []call.Operation
		for _, op := range []string{"w/pinned", "w/any", "w/unused", "a/both"} {
			o := hidden(query(op))
			o.Provenance, o.Handle = call.FromCall, answer(`"`+name+`"`)
			ops = append(ops, o)
		}
		if _, err := peers.Add(name, c, ops); err != nil {
			t.Fatal(err)
		}
	}
	uses := []string{"peer:second/w/pinned", "w/any", "a/both", "a/base"}
	top := composer(t, "top/run", []string{"admin"}, uses, func(ctx context.Context, env call.Env) (json.RawMessage, error) {
		for _, test := range []struct{ peer, op, want string }{
			{"", "w/pinned", ""},
			{"first", "w/pinned", ""},
			{"second", "w/pinned", `"second"`},
			{"", "w/any", `"first"`},
			{"first", "w/any", `"first"`},
			{"second", "w/any", `"second"`},
			{"second", "w/unused", ""},
			{"", "w/unused", ""},
			{"", "a/both", `"first"`},
			{"", "a/base", `"ok"`},
			{"first", "a/base", ""},
			{"third", "w/any", ""},
		} {
			var c call.Caller = env
			if test.peer != "" {
				c = env.Peer(test.peer)
			}
			out, err := c.Call(ctx, test.op, nil)
			if string(out) != test.want || test.want == "" && call.CodeOf(err) != call.CodeNotFound {
				t.Errorf("%s of %q: %s %v", test.op, test.peer, out, err)
			}
		}
		if got := env.Peers(); !reflect.DeepEqual(got, []string{"first", "second"}) {
			t.Errorf("peers: %v", got)
		}
		return nil, nil
	})
	narrow := composer(t, "top/narrow", []string{"admin"}, []string{"peer:second/w/pinned"}, func(_ context.Context, env call.Env) (json.RawMessage, error) {
		if got := env.Peers(); !reflect.DeepEqual(got, []string{"second"}) {
			t.Errorf("peers: %v", got)
		}
		return nil, nil
	})
	srv := register(t, top, narrow, query("a/both"), query("a/base"))
	srv.Peers = peers
	for _, name := range []string{"top/run", "top/narrow"} {
		if _, err := srv.Local(nobody).Call(t.Context(), name, nil); err != nil {
			t.Error(err)
		}
	}
	if _, err := srv.Local(somebody(t, "root", "admin")).Call(t.Context(), "w/any", nil); call.CodeOf(err) != call.CodeNotFound {
		t.Errorf("an import is exposed: %v", err)
	}
}
