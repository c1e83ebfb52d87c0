package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/alkdev/alknet/alknet/internal/addressbook"
	"github.com/alkdev/alknet/alknet/internal/admin"
	"github.com/alkdev/alknet/alknet/internal/peerbook"
	"github.com/alkdev/alknet/alknet/node"
	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/dial"
)

// lines is a log that a test waits for.
type lines chan string

func (l lines) Write(text []byte) (int, error) {
	l <- string(bytes.TrimSpace(text))
	return len(text), nil
}

// await drops what comes before the line.
func (l lines) await(t *testing.T, pattern string) string {
	t.Helper()
	wanted := regexp.MustCompile(pattern)
	for {
		select {
		case line := <-l:
			if wanted.MatchString(line) {
				return line
			}
		case <-t.Context().Done():
			t.Fatalf("not logged: %s", pattern)
		}
	}
}

const importing = `
[[call.imports]]
node = "far"
expose = [{ operations = ["far/test/name", "far/test/reached"], scope = "far:use" }]
`

// imports makes the node, before its start, one that takes over from far under
// its saved name.
func (c *callable) imports(t *testing.T, config, far string) lines {
	t.Helper()
	log := make(lines, 1000)
	c.log = slog.New(slog.NewTextHandler(log, nil))
	check(t, os.WriteFile(c.dir.Config(), []byte(config), 0o600))
	if far != "" {
		check(t, addressbook.Book{"far": far}.Save(c.dir.Nodes()))
	}
	return log
}

func links(t *testing.T, n *callable) []admin.Link {
	t.Helper()
	return linksFor(t, n.Calls().Local(auth.Owner(n.ID().Key())))
}

// linksFor are the links as a caller sees them.
func linksFor(t *testing.T, c call.Caller) []admin.Link {
	t.Helper()
	type answer struct {
		Links []admin.Link `json:"links"`
	}
	a, err := call.Call[answer](t.Context(), c, "node/peers", nil)
	check(t, err)
	s, err := call.Call[answer](t.Context(), c, "node/status", nil)
	check(t, err)
	if !slices.Equal(s.Links, a.Links) {
		t.Errorf("node/peers has %+v, node/status %+v", a.Links, s.Links)
	}
	return a.Links
}

// TestImportsAreForWhoHoldsTheirScope calls the far node through the middle.
func TestImportsAreForWhoHoldsTheirScope(t *testing.T) {
	far, user, eve, root := prepare(t), prepare(t), prepare(t), prepare(t)
	middle := prepare(t)
	var reached atomic.Int64
	far.more = func(r *call.Registry) error {
		return call.Query(r, "test/reached", func(context.Context, struct{}) (int64, error) { return reached.Add(1), nil })
	}
	far.start(t, "far", peerbook.Book{Peers: []auth.Peer{middle.peer("middle", "call:test/*")}})
	for _, c := range []*callable{user, eve, root} {
		c.start(t, "caller", peerbook.Book{})
	}
	log := middle.imports(t, importing, far.Target())
	middle.start(t, "middle", peerbook.Book{Peers: []auth.Peer{
		user.peer("user", "far:use"), eve.peer("eve", "call:**"), root.peer("root", "admin"), far.peer("far", "call:test/*"),
	}})
	log.await(t, "call: imported.* operations=4")
	if got := links(t, middle); !slices.Equal(got, []admin.Link{{Name: "far", Prefix: "far", Connected: true}}) {
		t.Errorf("links: %+v", got)
	}

	for _, via := range []dial.Via{dial.OnlyQUIC, dial.OnlyTCP} {
		for _, test := range []struct {
			who       *callable
			operation string
			want      string // code; empty for an answer
		}{
			{user, "far/test/name", ""},
			{root, "far/test/name", ""},
			{eve, "far/test/name", call.CodeForbidden},
			{eve, "far/test/reached", call.CodeForbidden},
			{user, "far/test/count", call.CodeNotFound},
			{root, "far/test/count", call.CodeNotFound},
			{root, "far/test/ask-back", call.CodeNotFound},
			{root, "far/services/list", call.CodeNotFound},
		} {
			c := test.who.open(t, middle, via)
			out, err := c.Call(t.Context(), test.operation, nil)
			if call.CodeOf(err) != test.want || err == nil && string(out) != `{"name":"far"}` {
				t.Errorf("%v: %s: %s %v, want %q", via, test.operation, out, err, test.want)
			}
		}
	}
	if reached.Load() != 0 {
		t.Error("who may not was passed on")
	}
	for who, want := range map[*callable]int{user: 2, eve: 0, root: 2} {
		n := 0
		for name := range list(t, who.open(t, middle, dial.OnlyQUIC)) {
			if strings.HasPrefix(name, "far/") {
				n++
			}
		}
		if n != want {
			t.Errorf("%d imports are listed, want %d", n, want)
		}
	}
	converse(t, imported{middle.Calls().Peers.Peer("far")}, "middle", "far")
	middle.Stop(false)
	<-middle.gone
	close(log)
	for line := range log {
		if strings.Contains(line, "level=WARN") {
			t.Errorf("logged %s", line)
		}
	}
}

// imported calls by the names that the operations have where they are from.
type imported struct{ call.Caller }

func (i imported) Call(ctx context.Context, operation string, input json.RawMessage) (json.RawMessage, error) {
	return i.Caller.Call(ctx, "far/"+operation, input)
}

func (i imported) Subscribe(ctx context.Context, operation string, input json.RawMessage) iter.Seq2[json.RawMessage, error] {
	return i.Caller.Subscribe(ctx, "far/"+operation, input)
}

// TestImportsComeBack: the far node restarts at another address, and is saved
// under it.
func TestImportsComeBack(t *testing.T) {
	far, middle := prepare(t), prepare(t)
	book := peerbook.Book{Peers: []auth.Peer{middle.peer("middle", "call:test/*")}}
	far.start(t, "far", book)
	log := middle.imports(t, importing, far.Target())
	middle.start(t, "middle", peerbook.Book{})
	log.await(t, "call: imported")
	owner := middle.Calls().Local(auth.Owner(middle.ID().Key()))
	far.Stop(false)
	<-far.gone
	log.await(t, "call: link down")
	if got := links(t, middle); len(got) != 1 || got[0].Connected || got[0].Error == "" {
		t.Errorf("links: %+v", got)
	}
	if _, err := owner.Call(t.Context(), "far/test/name", nil); call.CodeOf(err) != call.CodeNotFound {
		t.Errorf("an import of a node that has stopped: %v", err)
	}
	_, err := middle.Calls().Peers.Peer("far").Call(t.Context(), "far/test/name", nil)
	if e, ok := errors.AsType[*call.Error](err); !ok || !e.Retryable || !strings.Contains(e.Message, "not connected to far") {
		t.Errorf("a composer of it: %v", err)
	}
	far.start(t, "far again", book)
	check(t, addressbook.Book{"far": far.Target()}.Save(middle.dir.Nodes()))
	log.await(t, "call: imported")
	if out, err := call.Call[named](t.Context(), owner, "far/test/name", nil); err != nil || out.Name != "far again" {
		t.Errorf("%+v %v", out, err)
	}
}

// TestImportsOfNodesThatAreNotThere are no reason not to serve.
func TestImportsOfNodesThatAreNotThere(t *testing.T) {
	far, other := prepare(t), prepare(t)
	far.start(t, "far", peerbook.Book{})
	for _, test := range []struct{ name, saved, logged, reason, shown string }{
		{"not saved", "", "call: link down", "not saved", `"far": no such node: save it with 'alknet node add far NODE'`},
		{"another key", fmt.Sprintf("alknet://%s@%s", other.keys.NodeID(), far.Addrs()[0]), "call: link refused", "another key", far.ID().String()},
		{"no key", far.Addrs()[0], "call: link refused", "its key is not known here", far.ID().String()},
	} {
		t.Run(test.name, func(t *testing.T) {
			n, watcher := prepare(t), prepare(t)
			log := n.imports(t, importing, test.saved)
			n.start(t, "middle", peerbook.Book{Peers: []auth.Peer{watcher.peer("watcher", "call:node/*")}})
			watcher.start(t, "watcher", peerbook.Book{})
			line := log.await(t, "call: link (down|refused)")
			if !strings.Contains(line, test.logged) || !strings.Contains(line, "level=WARN") || !strings.Contains(line, "peer=far") ||
				!strings.Contains(line, test.reason) || strings.Contains(line, "127.0.0.1") {
				t.Errorf("logged %s", line)
			}
			if got := linksFor(t, watcher.open(t, n, dial.OnlyQUIC)); !slices.Equal(got, []admin.Link{{Name: "far", Prefix: "far", Error: test.reason}}) {
				t.Errorf("others see %+v", got)
			}
			if got := links(t, n); len(got) != 1 || got[0].Connected || !strings.Contains(got[0].Error, test.shown) {
				t.Errorf("links: %+v", got)
			}
			if _, err := n.Calls().Local(auth.Owner(n.ID().Key())).Call(t.Context(), "test/name", nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestImportsThatCannotStand(t *testing.T) {
	d := newDir(t)
	check(t, os.WriteFile(d.Config(), []byte(importing+importing), 0o600))
	cfg := node.Config{Dir: d.Path(), Listen: []string{"127.0.0.1:0"}, Logger: slog.New(slog.DiscardHandler)}
	if _, err := node.New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), `config.toml:6:3: call.imports entry 2: the name "far"`) {
		t.Errorf("two of one name: %v", err)
	}
	check(t, os.Remove(d.Config()))
	n, err := node.New(t.Context(), cfg)
	check(t, err)
	defer n.Close()
	check(t, os.WriteFile(d.Config(), []byte(importing), 0o600))
	if names, err := n.Reload(); err != nil || !slices.Equal(names, []string{"call"}) {
		t.Errorf("what needs a restart: %q %v", names, err)
	}
}
