package node_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/alkdev/alknet/alknet/internal/admin"
	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/internal/keyring"
	"github.com/alkdev/alknet/alknet/internal/peerbook"
	"github.com/alkdev/alknet/alknet/node"
	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/dial"
)

type named struct {
	Name string `json:"name"`
}

// offering registers a name, a name asked of whoever calls, and a count.
func offering(name string) func(*call.Registry) error {
	return func(r *call.Registry) error {
		return errors.Join(
			call.Query(r, "test/name", func(context.Context, struct{}) (named, error) { return named{name}, nil }),
			call.Query(r, "test/ask-back", func(ctx context.Context, _ struct{}) (named, error) {
				back, err := call.Call[named](ctx, call.RequestFrom(ctx).Client, "test/name", nil)
				return named{name + " asked " + back.Name}, err
			}),
			call.Subscription(r, "test/count", func(ctx context.Context, _ struct{}) iter.Seq2[int, error] {
				return func(yield func(int, error) bool) {
					for i := 0; ctx.Err() == nil && yield(i, nil); i++ {
					}
				}
			}))
	}
}

// callable is a node with its directory and key.
type callable struct {
	*node.Node
	name string // here, and among the other's peers
	dir  datadir.Dir
	keys *keyring.Keys

	log  *slog.Logger               // nil discards
	more func(*call.Registry) error // beside what offering registers
	gone chan struct{}
}

func prepare(t *testing.T) *callable {
	t.Helper()
	d := newDir(t)
	keys, err := keyring.Open(t.Context(), d, nil)
	check(t, err)
	t.Cleanup(keys.Close)
	return &callable{dir: d, keys: keys}
}

// start runs the node with book as its peers and tokens.
func (c *callable) start(t *testing.T, name string, book peerbook.Book) {
	t.Helper()
	check(t, book.Save(c.dir.Peers()))
	n, err := node.New(t.Context(), node.Config{
		Dir: c.dir.Path(), Listen: []string{"127.0.0.1:0"}, Logger: cmp.Or(c.log, slog.New(slog.DiscardHandler)),
		Operations: func(r *call.Registry) error {
			if c.more != nil {
				check(t, c.more(r))
			}
			return offering(name)(r)
		},
	})
	check(t, err)
	gone := make(chan struct{})
	go func() { defer close(gone); _ = n.Run(context.Background()) }()
	t.Cleanup(func() { n.Stop(true); <-gone })
	c.Node, c.name, c.gone = n, name, gone
}

func (c *callable) peer(name string, scopes ...string) auth.Peer {
	return auth.Peer{Name: name, Keys: []auth.Key{c.keys.NodeID().Key()}, Scopes: scopes}
}

// open dials other over one transport, and lets it call back.
func (c *callable) open(t *testing.T, other *callable, via dial.Via) *call.Client {
	t.Helper()
	cert, err := c.keys.Certificate()
	check(t, err)
	target, err := dial.ParseTarget(other.Target())
	check(t, err)
	d := dial.Dialer{Certificate: func(context.Context) (*tls.Certificate, error) { return &cert, nil }}
	conn, info, err := d.Dial(t.Context(), dial.Request{Target: target, ALPN: call.ALPN, Via: via})
	check(t, err)
	who := core.NewAuthContext(core.Identity{Name: other.name, Kind: auth.KindPeer, Scopes: scopes(t, "call:test/*"), Credential: auth.KeyCredential(info.Key)}, info.Key, call.ALPN, conn.RemoteAddr(), nil)
	return closing(t, call.NewClient(conn, call.WithServer(c.Calls(), who)))
}

func closing(t *testing.T, c *call.Client) *call.Client {
	t.Cleanup(func() { c.Close(); <-c.Done() })
	return c
}

func scopes(t *testing.T, texts ...string) auth.Scopes {
	t.Helper()
	parsed, err := auth.ParseScopes(texts)
	check(t, err)
	return parsed
}

// converse calls there, has there call back, and takes the head of a stream.
func converse(t *testing.T, c call.Caller, here, there string) {
	t.Helper()
	if out, err := call.Call[named](t.Context(), c, "test/name", nil); err != nil || out.Name != there {
		t.Errorf("%s calls %s: %+v, %v", here, there, out, err)
	}
	if out, err := call.Call[named](t.Context(), c, "test/ask-back", nil); err != nil || out.Name != there+" asked "+here {
		t.Errorf("%s calls back %s: %+v, %v", there, here, out, err)
	}
	next := 0
	for i, err := range call.Subscribe[int](t.Context(), c, "test/count", nil) {
		if err != nil || i != next {
			t.Fatalf("%s subscribes at %s: item %d is %d, %v", here, there, next, i, err)
		}
		if next++; next == 100 {
			break
		}
	}
}

// TestEverybodyCallsEverybody is two nodes, a command on the machine of one, and
// a page, each of which calls and is called on one connection.
func TestEverybodyCallsEverybody(t *testing.T) {
	a, b := prepare(t), prepare(t)
	secret, token, err := auth.NewToken("page")
	check(t, err)
	token.Scopes = []string{"call:test/*"}
	a.start(t, "a", peerbook.Book{Peers: []auth.Peer{b.peer("b", "call:test/*")}, Tokens: []auth.Token{token}})
	b.start(t, "b", peerbook.Book{Peers: []auth.Peer{a.peer("a", "call:test/*")}})

	for _, via := range []dial.Via{dial.OnlyQUIC, dial.OnlyTCP} {
		t.Run(fmt.Sprint(via), func(t *testing.T) {
			converse(t, a.open(t, b, via), "a", "b")
			converse(t, b.open(t, a, via), "b", "a")
		})
	}
	t.Run("by the node itself", func(t *testing.T) {
		conn, who, err := a.DialCalls(t.Context(), b.Target())
		check(t, err)
		if who.Who().Name != "b" {
			t.Errorf("the other end is %v", who.Who())
		}
		converse(t, closing(t, call.NewClient(conn, call.WithServer(a.Calls(), who))), "a", "b")
	})
	t.Run("Unix socket", func(t *testing.T) {
		var r call.Registry
		check(t, offering("command")(&r))
		socket, err := a.dir.Socket()
		check(t, err)
		owner := core.NewAuthContext(auth.Owner(a.ID().Key()), auth.Key{}, call.ALPN, nil, nil)
		c, err := admin.NewClient(socket).Dial(t.Context(), call.WithServer(&call.Server{Registry: &r}, owner))
		check(t, err)
		converse(t, closing(t, c), "command", "a")
	})
	t.Run("page", func(t *testing.T) { openPage(t, a, secret.Reveal()).converse(t) })
}

// page speaks the protocol as a browser does, without this module's code:
// docs/wire/call.md, section 8.
type page struct {
	ws      *websocket.Conn
	answers chan envelope
}

type envelope struct {
	Type    string          `json:"type"`
	ID      string          `json:"id"`
	Payload json.RawMessage `json:"payload"`
}

func openPage(t *testing.T, n *callable, token string) *page {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	ws, _, err := websocket.Dial(t.Context(), "wss://"+n.Addrs()[0]+"/alknet/call", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: tr}, Subprotocols: []string{"alknet.call", "alknet.bearer." + token},
	})
	check(t, err)
	p := &page{ws, make(chan envelope, 1000)}
	done := make(chan struct{})
	go func() { defer close(done); p.serve() }()
	t.Cleanup(func() { ws.CloseNow(); <-done; tr.CloseIdleConnections() })
	return p
}

// serve answers every request with the page's name.
func (p *page) serve() {
	defer close(p.answers)
	for {
		_, message, err := p.ws.Read(context.Background())
		if err != nil {
			return
		}
		var e envelope
		if json.Unmarshal(message, &e) != nil {
			return
		}
		if e.Type == "call.requested" {
			p.send("call.responded", e.ID, `{"output":{"name":"page"}}`)
			continue
		}
		p.answers <- e
	}
}

func (p *page) send(typ, id, payload string) {
	message, _ := json.Marshal(envelope{typ, id, json.RawMessage(payload)})
	_ = p.ws.Write(context.Background(), websocket.MessageBinary, message)
}

func (p *page) converse(t *testing.T) {
	t.Helper()
	for i, want := range []struct{ operation, output string }{
		{"/test/name", `{"name":"a"}`}, {"/test/ask-back", `{"name":"a asked page"}`},
	} {
		p.send("call.requested", fmt.Sprint(i), `{"operationId":"`+want.operation+`","input":null}`)
		if e := <-p.answers; e.Type != "call.responded" || !strings.Contains(string(e.Payload), want.output) {
			t.Fatalf("%s: got %+v: %s", want.operation, e, e.Payload)
		}
	}
	p.send("call.requested", "sub", `{"operationId":"/test/count","input":null}`)
	for i := range 10 {
		if e := <-p.answers; string(e.Payload) != fmt.Sprintf(`{"output":%d}`, i) {
			t.Fatalf("item %d: got %+v: %s", i, e, e.Payload)
		}
	}
	p.send("call.aborted", "sub", `{}`)
}

// TestLocalOperationsAreOnTheSocketAlone: not even an administrator finds them
// from another machine, by any way in.
func TestLocalOperationsAreOnTheSocketAlone(t *testing.T) {
	a, b := prepare(t), prepare(t)
	secret, token, err := auth.NewToken("page")
	check(t, err)
	token.Scopes = []string{"admin"}
	a.start(t, "a", peerbook.Book{Peers: []auth.Peer{b.peer("b", "admin")}, Tokens: []auth.Token{token}})
	b.start(t, "b", peerbook.Book{})
	socket, err := a.dir.Socket()
	check(t, err)
	local, err := admin.NewClient(socket).Dial(t.Context())
	check(t, err)
	closing(t, local)

	var only []string
	ours, theirs := list(t, local), list(t, a.Calls().Local(auth.Owner(a.ID().Key())))
	for name := range ours {
		if !theirs[name] {
			only = append(only, name)
		}
	}
	if len(only) != 4 || len(theirs) != len(ours)-4 {
		t.Fatalf("on the socket alone: %q", only)
	}
	for _, via := range []dial.Via{dial.OnlyQUIC, dial.OnlyTCP} {
		c := b.open(t, a, via)
		if _, err := call.Call[json.RawMessage](t.Context(), c, "node/reload", nil); err != nil {
			t.Errorf("an administrator's reload over %v: %v", via, err)
		}
		for _, name := range only {
			for _, ctx := range []context.Context{t.Context(), call.ContextWithToken(t.Context(), secret.Reveal())} {
				if _, err := c.Call(ctx, name, nil); call.CodeOf(err) != call.CodeNotFound {
					t.Errorf("%s over %v: %v", name, via, err)
				}
			}
		}
	}
	p := openPage(t, a, secret.Reveal())
	for _, name := range only {
		p.send("call.requested", name, `{"operationId":"/`+name+`","input":{}}`)
		if e := <-p.answers; e.Type != "call.error" || !strings.Contains(string(e.Payload), call.CodeNotFound) {
			t.Errorf("%s over WebSocket: %s %s", name, e.Type, e.Payload)
		}
	}
}

func list(t *testing.T, c call.Caller) map[string]bool {
	t.Helper()
	type listing struct {
		Operations []named `json:"operations"`
	}
	l, err := call.Call[listing](t.Context(), c, "services/list", nil)
	check(t, err)
	names := map[string]bool{}
	for _, op := range l.Operations {
		names[op.Name] = true
	}
	return names
}

// A fault in an embedder's operations fails the start with its reason.
func TestOperationsThatClash(t *testing.T) {
	d := newDir(t)
	_, err := node.New(t.Context(), node.Config{
		Dir: d.Path(), Listen: []string{"127.0.0.1:0"}, Logger: slog.New(slog.DiscardHandler),
		Operations: func(r *call.Registry) error {
			return call.Query(r, "node/status", func(context.Context, struct{}) (named, error) { return named{}, nil })
		},
	})
	if err == nil || !strings.Contains(err.Error(), `"node/status": the name is taken`) {
		t.Errorf("got %v", err)
	}
}
