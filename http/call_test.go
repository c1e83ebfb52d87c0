package alkhttp_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	alkhttp "github.com/alkdev/alknet/http"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/coder/websocket"
)

type handle = func(ctx context.Context, stream core.Stream, who *core.AuthContext) error

// calls is a handler of alknet/call whose first stream f serves.
func calls(f handle) core.ProtocolHandler {
	return core.HandlerFunc("alknet/call", func(ctx context.Context, conn core.Connection, who *core.AuthContext) error {
		stream, err := conn.AcceptStream(ctx)
		if err != nil {
			return err
		}
		return f(ctx, stream, who)
	})
}

func frameOf(body string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func readFrame(r io.Reader) (string, error) {
	var prefix [4]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return "", err
	}
	body := make([]byte, binary.BigEndian.Uint32(prefix[:]))
	_, err := io.ReadFull(r, body)
	return string(body), err
}

// echo answers each frame with itself.
func echo(_ context.Context, stream core.Stream, _ *core.AuthContext) error {
	for {
		body, err := readFrame(stream)
		if err != nil {
			return err
		}
		if _, err := stream.Write(frameOf(body)); err != nil {
			return err
		}
	}
}

// dialCall opens a WebSocket as the reader.
func (n *node) dialCall() *websocket.Conn {
	n.t.Helper()
	c, _, err := n.tryCall(bearer(reader))
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

func (n *node) tryCall(header http.Header, protocols ...string) (*websocket.Conn, *http.Response, error) {
	c, res, err := websocket.Dial(n.t.Context(), "wss://"+n.addr+"/alknet/call", &websocket.DialOptions{
		HTTPClient: n.client("http/1.1"), HTTPHeader: header, Subprotocols: protocols,
	})
	if err == nil {
		c.SetReadLimit(-1)
		n.t.Cleanup(func() { c.CloseNow() })
	}
	return c, res, err
}

// wantClose reads until the end, which must be a Close frame with this code.
func wantClose(t *testing.T, c *websocket.Conn, code websocket.StatusCode) {
	t.Helper()
	for {
		_, _, err := c.Read(t.Context())
		if err == nil {
			continue
		}
		if got := websocket.CloseStatus(err); got != code {
			t.Errorf("closed with %v (%v), want %v", got, err, code)
		}
		return
	}
}

func wantMessage(t *testing.T, c *websocket.Conn, want string) {
	t.Helper()
	typ, got, err := c.Read(t.Context())
	if err != nil || typ != websocket.MessageBinary || string(got) != want {
		t.Fatalf("message %v %.100q, %v; want %.100q", typ, got, err, want)
	}
}

func send(t *testing.T, c *websocket.Conn, messages ...string) {
	t.Helper()
	for _, m := range messages {
		if err := c.Write(t.Context(), websocket.MessageBinary, []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCallIdentities(t *testing.T) {
	wrong := "alk_wrong-0123456789abcdef"
	for _, tt := range []struct {
		name      string
		header    http.Header
		protocols []string
		status    int
		who       string
	}{
		{"authorization", bearer(reader), nil, 101, "reader"},
		{"authorization and subprotocol", bearer(reader), []string{"alknet.call"}, 101, "reader"},
		{"subprotocols", nil, []string{"alknet.call", "alknet.bearer." + operator}, 101, "operator"},
		{"subprotocols, token first", nil, []string{"alknet.bearer." + operator, "alknet.call"}, 101, "operator"},
		{"another origin", http.Header{"Authorization": {"Bearer " + reader}, "Origin": {"https://example.org"}}, nil, 101, "reader"},
		{"nothing", nil, nil, 401, ""},
		{"no token", nil, []string{"alknet.call"}, 401, ""},
		{"wrong token", bearer(wrong), nil, 401, ""},
		{"wrong subprotocol token", nil, []string{"alknet.call", "alknet.bearer." + wrong}, 401, ""},
		{"empty subprotocol token", nil, []string{"alknet.call", "alknet.bearer."}, 401, ""},
		{"two subprotocol tokens", nil, []string{"alknet.bearer." + reader, "alknet.bearer." + operator}, 401, ""},
		{"one of each", bearer(reader), []string{"alknet.call", "alknet.bearer." + reader}, 401, ""},
		{"basic", http.Header{"Authorization": {"Basic YTpi"}}, nil, 401, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log records
			n := start(t, &alkhttp.Server{Identities: tokens{}, Logger: log.logger(), Call: calls(
				func(_ context.Context, stream core.Stream, who *core.AuthContext) error {
					_, err := stream.Write(frameOf(fmt.Sprintf("{%q:%q}", who.ALPN, who.Identity.Name)))
					return err
				})})
			c, res, err := n.tryCall(tt.header, tt.protocols...)
			if res == nil || res.StatusCode != tt.status {
				t.Fatalf("answer %v, %v; want %d", res, err, tt.status)
			}
			if tt.status == 101 {
				if want := strings.Join(tt.protocols, ""); (want != "") != (c.Subprotocol() == "alknet.call") {
					t.Errorf("subprotocol %q", c.Subprotocol())
				}
				send(t, c, "{}")
				wantMessage(t, c, `{"alknet/call":"`+tt.who+`"}`)
				wantClose(t, c, websocket.StatusNormalClosure)
			} else if !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("401 without a challenge: %v", res.Header)
			}
			for _, token := range []string{reader, operator, wrong} {
				if strings.Contains(log.String()+fmt.Sprint(res.Header), token) {
					t.Errorf("the token is told: %s %v", log.String(), res.Header)
				}
			}
		})
	}
}

func TestCallIsNoCallForOthers(t *testing.T) {
	n := start(t, &alkhttp.Server{Identities: tokens{}, Call: calls(echo)})
	upgrade := func(h http.Header) http.Header {
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", "websocket")
		return h
	}
	for _, tt := range []struct {
		name, proto, method string
		header              http.Header
		status              int
		text                string
	}{
		{"http 2", "h2", "GET", bearer(reader), 400, "WebSocket needs HTTP/1.1"},
		{"http 3", "h3", "GET", bearer(reader), 400, "WebSocket needs HTTP/1.1"},
		{"no upgrade", "http/1.1", "GET", bearer(reader), 426, "WebSocket"},
		{"not GET", "http/1.1", "POST", upgrade(bearer(reader)), 405, ""},
		{"no key", "http/1.1", "GET", upgrade(bearer(reader)), 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := n.do(n.client(tt.proto), tt.method, "/alknet/call", tt.header, nil)
			if got.status != tt.status || !strings.Contains(got.body, tt.text) {
				t.Errorf("got %d %q, want %d %q", got.status, got.body, tt.status, tt.text)
			}
		})
	}
}

func TestCallAbsentIsDecoy(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		n := start(t, &alkhttp.Server{Identities: tokens{}})
		c := n.client(proto)
		got := n.do(c, "GET", "/alknet/call", bearer(reader), nil)
		if want := n.do(c, "GET", "/nothing", nil, nil); got.dump() != want.dump() {
			t.Errorf("got\n%s\nwant\n%s", got.dump(), want.dump())
		}
	})
}

func TestCallFailuresAreLimited(t *testing.T) {
	n := start(t, &alkhttp.Server{
		Identities: tokens{}, Call: calls(echo),
		Failures: config.NewFailures(func() config.Limits { return config.Limits{AuthFailures: 3} }),
	})
	var last int
	for range 4 {
		_, res, err := n.tryCall(nil, "alknet.call", "alknet.bearer.alk_wrong-0123456789abcdef")
		if res == nil {
			t.Fatal(err)
		}
		last = res.StatusCode
	}
	if last != 429 {
		t.Errorf("after three failures: %d, want 429", last)
	}
}

func TestCallMessages(t *testing.T) {
	n := start(t, &alkhttp.Server{Identities: tokens{}, Call: calls(echo)})
	c := n.dialCall()
	big := `{"a":"` + strings.Repeat("x", 5<<20) + `"}`
	for _, m := range []string{`{}`, ` {"a":1}` + "\n", big, `{"b":2}`} {
		send(t, c, m)
		wantMessage(t, c, m)
	}
	w, err := c.Writer(t.Context(), websocket.MessageBinary)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"{", `"c":`, "3}"} {
		io.WriteString(w, part)
	}
	w.Close()
	wantMessage(t, c, `{"c":3}`)
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestCallServerSpeaksFirst(t *testing.T) {
	n := start(t, &alkhttp.Server{Identities: tokens{}, Call: core.HandlerFunc("alknet/call",
		func(ctx context.Context, conn core.Connection, _ *core.AuthContext) error {
			stream, err := conn.AcceptStream(ctx)
			if err != nil {
				return err
			}
			if _, err := conn.OpenStream(ctx); !errors.Is(err, core.ErrStreamUnavailable) {
				return fmt.Errorf("a second stream: %w", err)
			}
			if _, err := stream.Write(frameOf(`{"first":true}`)); err != nil {
				return err
			}
			_, err = conn.AcceptStream(ctx)
			return err
		})})
	c := n.dialCall()
	wantMessage(t, c, `{"first":true}`)
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close: %v", err)
	}
}

// How the handler cuts its frames into writes does not show.
func TestCallWrites(t *testing.T) {
	for _, tt := range []struct{ size, count int }{{3, 30}, {1 << 10, 300}, {64 << 10, 300}, {64 << 20, 300}} {
		t.Run(fmt.Sprint(tt.size), func(t *testing.T) {
			var stream []byte
			for i := range tt.count {
				stream = append(stream, frameOf(fmt.Sprintf(`{"n":%d,"pad":%q}`, i, strings.Repeat("y", i*i)))...)
			}
			n := start(t, &alkhttp.Server{Identities: tokens{}, Call: calls(
				func(_ context.Context, s core.Stream, _ *core.AuthContext) error {
					for p := range slices.Chunk(stream, tt.size) {
						if _, err := s.Write(p); err != nil {
							return err
						}
					}
					return nil
				})})
			c := n.dialCall()
			send(t, c, "{}")
			for i := range tt.count {
				wantMessage(t, c, fmt.Sprintf(`{"n":%d,"pad":%q}`, i, strings.Repeat("y", i*i)))
			}
			wantClose(t, c, websocket.StatusNormalClosure)
		})
	}
}

func TestCallMalformedMessages(t *testing.T) {
	n := start(t, &alkhttp.Server{Identities: tokens{}, Call: calls(echo)})
	for _, tt := range []struct {
		name    string
		typ     websocket.MessageType
		message string
		code    websocket.StatusCode
	}{
		{"text", websocket.MessageText, "{}", 1002},
		{"empty", websocket.MessageBinary, "", 1002},
		{"array", websocket.MessageBinary, "[1]", 1002},
		{"prefixed", websocket.MessageBinary, "\x00\x00\x00\x02{}", 1002},
		{"cut off", websocket.MessageBinary, `{"type":`, 1002},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, before := range []int{0, 1} {
				c := n.dialCall()
				for range before {
					send(t, c, "{}")
					wantMessage(t, c, "{}")
				}
				_ = c.Write(t.Context(), tt.typ, []byte(tt.message)) // may be cut off
				wantClose(t, c, tt.code)
			}
		})
	}
}

func TestCallLongMessages(t *testing.T) {
	for _, tt := range []struct {
		over int
		code websocket.StatusCode
	}{{0, websocket.StatusNormalClosure}, {1, websocket.StatusMessageTooBig}} {
		t.Run(fmt.Sprint(tt.over), func(t *testing.T) {
			n := start(t, &alkhttp.Server{Identities: tokens{}, Call: calls(
				func(_ context.Context, s core.Stream, _ *core.AuthContext) error {
					var prefix [4]byte
					if _, err := io.ReadFull(s, prefix[:]); err != nil {
						return err
					}
					length := int64(binary.BigEndian.Uint32(prefix[:]))
					if n, err := io.CopyN(io.Discard, s, length); n != 64<<20 || err != nil {
						return fmt.Errorf("%d of %d bytes: %w", n, length, err)
					}
					return nil
				})})
			c := n.dialCall()
			_ = c.Write(t.Context(), websocket.MessageBinary, []byte("{"+strings.Repeat(" ", 64<<20-2+tt.over)+"}")) // may be cut off
			wantClose(t, c, tt.code)
		})
	}
}

const upgradeRequest = "GET /alknet/call HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + reader + "\r\nConnection: Upgrade\r\n" +
	"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

// rawCall upgrades by hand and returns the connection below the frames.
func (n *node) rawCall() net.Conn {
	n.t.Helper()
	c := n.dial("http/1.1")
	io.WriteString(c, upgradeRequest)
	var head []byte
	for one := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, one...) {
		if _, err := io.ReadFull(c, one); err != nil {
			n.t.Fatal(err)
		}
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
		n.t.Fatalf("answer: %s", head)
	}
	return c
}

func TestCallBrokenFrames(t *testing.T) {
	n := start(t, &alkhttp.Server{Identities: tokens{}, Call: calls(echo)})
	for name, b := range map[string]string{
		"not masked":           "\x82\x02{}",
		"reserved bit":         "\xc2\x82\x00\x00\x00\x00{}",
		"unknown opcode":       "\x83\x82\x00\x00\x00\x00{}",
		"continues nothing":    "\x80\x82\x00\x00\x00\x00{}",
		"long ping":            "\x89\xfe\x00\x80\x00\x00\x00\x00",
		"fragmented ping":      "\x09\x80\x00\x00\x00\x00",
		"length of 2^63 bytes": "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			c := n.rawCall()
			io.WriteString(c, b)
			got, err := io.ReadAll(c)
			if err != nil || len(got) < 4 || got[0] != 0x88 || binary.BigEndian.Uint16(got[2:]) != 1002 {
				t.Errorf("answer %q, %v; want a Close frame with 1002", got, err)
			}
		})
	}
}

func TestCallEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		code websocket.StatusCode
	}{
		{"done", nil, 1000},
		{"failed", errors.New("private"), 1011},
		{"protocol", &core.HandlerError{Code: core.CodeProtocol, Reason: "no envelope"}, 1002},
		{"shutdown", &core.HandlerError{Code: core.CodeShutdown, Reason: "the node stops"}, 1001},
		{"forbidden", core.ErrForbidden, 1008},
		{"long reason", &core.HandlerError{Code: core.CodeLimit, Reason: strings.Repeat("é", 100)}, 1008},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := start(t, &alkhttp.Server{Identities: tokens{}, Call: calls(
				func(context.Context, core.Stream, *core.AuthContext) error { return tt.err })})
			c := n.dialCall()
			send(t, c, "{}")
			_, _, err := c.Read(t.Context())
			if websocket.CloseStatus(err) != tt.code || strings.Contains(err.Error(), "private") {
				t.Errorf("closed with %v, want %v", err, tt.code)
			}
		})
	}
}

func TestCallPanicEndsOneSocket(t *testing.T) {
	n := start(t, &alkhttp.Server{Identities: tokens{}, Call: calls(
		func(ctx context.Context, s core.Stream, who *core.AuthContext) error {
			if body, err := readFrame(s); err != nil || body != "{}" {
				panic("of a handler")
			}
			_, err := s.Write(frameOf("{}"))
			return err
		})})
	good, bad := n.dialCall(), n.dialCall()
	send(t, bad, `{"a":1}`)
	wantClose(t, bad, websocket.StatusInternalError)
	send(t, good, "{}")
	wantMessage(t, good, "{}")
}

func TestCallPeerLeaves(t *testing.T) {
	for name, leave := range map[string]func(*websocket.Conn){
		"closes":  func(c *websocket.Conn) { c.Close(websocket.StatusGoingAway, "") },
		"is gone": func(c *websocket.Conn) { c.CloseNow() },
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			n := start(t, &alkhttp.Server{Identities: tokens{}, Call: core.HandlerFunc("alknet/call",
				func(ctx context.Context, conn core.Connection, _ *core.AuthContext) error {
					stream, err := conn.AcceptStream(ctx)
					if err != nil {
						return err
					}
					_, err = io.Copy(io.Discard, stream)
					ended <- err
					<-conn.Context().Done()
					return nil
				})})
			c := n.dialCall()
			send(t, c, "{}")
			leave(c)
			if err := <-ended; !errors.Is(err, core.ErrConnectionClosed) {
				t.Errorf("read: %v, want the end of the connection", err)
			}
		})
	}
}

func TestCallSlowReader(t *testing.T) {
	ended := make(chan error, 1)
	n := start(t, &alkhttp.Server{Identities: tokens{}, Limits: alkhttp.Limits{StallTimeout: 200 * time.Millisecond}, Call: calls(
		func(_ context.Context, s core.Stream, _ *core.AuthContext) error {
			for f := frameOf("{" + strings.Repeat(" ", 1<<20) + "}"); ; {
				if _, err := s.Write(f); err != nil {
					ended <- err
					return err
				}
			}
		})})
	c := n.rawCall()
	io.WriteString(c, "\x82\x82\x00\x00\x00\x00{}")
	if err := <-ended; err == nil {
		t.Error("no error")
	}
}

func TestCallSilentPeer(t *testing.T) {
	n := start(t, &alkhttp.Server{Identities: tokens{}, Limits: alkhttp.Limits{StallTimeout: 20 * time.Millisecond}, Call: calls(echo)})
	c := n.rawCall()
	got, _ := io.ReadAll(c)
	if len(got) == 0 || got[0] != 0x89 {
		t.Errorf("got %q, want a ping first", got)
	}
}

// A peer that answers pings and says nothing stays.
func TestCallIdle(t *testing.T) {
	n := start(t, &alkhttp.Server{Identities: tokens{}, Call: calls(echo), Limits: alkhttp.Limits{
		StallTimeout: 100 * time.Millisecond, IdleTimeout: time.Millisecond, ReadHeaderTimeout: 50 * time.Millisecond,
	}})
	pings := make(chan struct{})
	c, _, err := websocket.Dial(t.Context(), "wss://"+n.addr+"/alknet/call", &websocket.DialOptions{
		HTTPClient: n.client("http/1.1"), HTTPHeader: bearer(reader),
		OnPingReceived: func(context.Context, []byte) bool { pings <- struct{}{}; return true },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	got := make(chan string)
	go func() {
		_, b, err := c.Read(t.Context())
		got <- fmt.Sprint(string(b), err)
	}()
	for range 5 {
		<-pings
	}
	send(t, c, "{}")
	for {
		select {
		case <-pings:
			continue
		case g := <-got:
			if g != "{}<nil>" {
				t.Error(g)
			}
		}
		return
	}
}

func TestCallDrain(t *testing.T) {
	release := make(chan struct{})
	n := start(t, &alkhttp.Server{Identities: tokens{}, Call: calls(
		func(_ context.Context, s core.Stream, _ *core.AuthContext) error {
			<-release // as a handler whose Drain has been called
			_, err := s.Write(frameOf(`{"last":true}`))
			return err
		})})
	c := n.dialCall()
	send(t, c, "{}")
	drained := make(chan error, 1)
	go func() { drained <- n.web.Drain(t.Context()) }()
	awaitDraining(t, n.web)
	select {
	case err := <-drained:
		t.Fatalf("drained under a socket: %v", err)
	default:
	}
	close(release)
	wantMessage(t, c, `{"last":true}`)
	wantClose(t, c, websocket.StatusGoingAway)
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestCallHardStop(t *testing.T) {
	begun := make(chan struct{})
	n := start(t, &alkhttp.Server{Identities: tokens{}, Call: calls(
		func(ctx context.Context, _ core.Stream, _ *core.AuthContext) error {
			close(begun)
			<-ctx.Done()
			return ctx.Err()
		})})
	c := n.dialCall()
	send(t, c, "{}")
	<-begun
	n.stop()
	if _, _, err := c.Read(t.Context()); err == nil {
		t.Error("the socket survived")
	}
}

// The token's identity is proved for the connection, whose owner ends it when
// that is revoked.
func TestCallProvesTheConnection(t *testing.T) {
	here, there := net.Pipe()
	conn := core.NewStreamConn(here, "http/1.1")
	proved := make(chan core.Identity, 2)
	who := core.NewAuthContext(core.Identity{}, auth.Key{}, "http/1.1", nil, func(id core.Identity) error {
		proved <- id
		return nil
	})
	web := &alkhttp.Server{Identities: tokens{}, Call: calls(echo)}
	handled := make(chan error, 1)
	go func() { handled <- web.Handle(t.Context(), conn, who) }()
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return there, nil }}
	defer tr.CloseIdleConnections()
	c, _, err := websocket.Dial(t.Context(), "ws://localhost/alknet/call", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: tr}, HTTPHeader: bearer(reader),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if id := <-proved; id.Name != "reader" {
		t.Errorf("proved %v", id)
	}
	send(t, c, "{}")
	wantMessage(t, c, "{}")
	conn.Close(core.CodeRevoked, "access was revoked")
	if _, _, err := c.Read(t.Context()); err == nil {
		t.Error("the socket survived its connection")
	}
	<-handled
}

// The connection would not end with the second identity.
func TestCallOfAnotherIdentity(t *testing.T) {
	n := start(t, &alkhttp.Server{Identities: tokens{}, Call: calls(echo)})
	c := n.dial("http/1.1")
	fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n%s", operator, upgradeRequest)
	if got, err := io.ReadAll(c); err != nil || !bytes.Contains(got, []byte("HTTP/1.1 421 ")) {
		t.Errorf("answers %s, %v; want 421", got, err)
	}
}
