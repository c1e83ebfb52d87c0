package node_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/node"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/dial"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const echoALPN = "example.org/echo"

var echo = core.HandlerFunc(echoALPN, func(ctx context.Context, conn core.Connection, _ *core.AuthContext) error {
	stream, err := conn.AcceptStream(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	_, err = io.Copy(stream, stream)
	return err
})

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newDir(t *testing.T) datadir.Dir {
	t.Helper()
	d, err := datadir.At(filepath.Join(t.TempDir(), "d"))
	check(t, err)
	made, err := node.Init(t.Context(), d.Path(), node.InitOptions{})
	check(t, err)
	made.Words.Destroy()
	return d
}

// run opens the node and serves until the test ends; ended gives what Run did.
func run(t *testing.T, d datadir.Dir) (n *node.Node, ended <-chan error) {
	t.Helper()
	n, err := node.New(t.Context(), node.Config{
		Dir:      d.Path(),
		Listen:   []string{"127.0.0.1:0"},
		Handlers: []core.ProtocolHandler{echo},
		Logger:   slog.New(slog.DiscardHandler),
	})
	check(t, err)
	done, gone := make(chan error, 1), make(chan struct{})
	go func() { defer close(gone); done <- n.Run(context.Background()) }()
	t.Cleanup(func() { n.Stop(true); <-gone })
	return n, done
}

type echoing struct {
	t      *testing.T
	conn   core.Connection
	stream core.Stream
	answer *bufio.Reader
}

func openEcho(t *testing.T, d datadir.Dir, n *node.Node) *echoing {
	t.Helper()
	conn, _, err := n.Dial(t.Context(), n.Target(), echoALPN, dial.Interactive)
	check(t, err)
	t.Cleanup(func() { conn.Close(core.CodeNone, "") })
	stream, err := conn.OpenStream(t.Context())
	check(t, err)
	e := &echoing{t, conn, stream, bufio.NewReader(stream)}
	e.say("before\n")
	return e
}

func (e *echoing) say(text string) {
	e.t.Helper()
	if _, err := io.WriteString(e.stream, text); err != nil {
		e.t.Fatalf("running work was cut: %v", err)
	}
	if got, err := e.answer.ReadString('\n'); err != nil || got != text {
		e.t.Fatalf("running work was cut: %q, %v", got, err)
	}
}

// takesNothingNew waits until the node's listeners are gone.
func takesNothingNew(t *testing.T, addr string) {
	t.Helper()
	for t.Context().Err() == nil {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		c.Close()
	}
}

// TestStopDrains: without now, however often it is said, running work ends by
// itself.
func TestStopDrains(t *testing.T) {
	d := newDir(t)
	n, ended := run(t, d)
	work := openEcho(t, d, n)
	addr := n.Addrs()[0]
	for range 3 {
		n.Stop(false)
		takesNothingNew(t, addr)
		for range 30 {
			work.say("while draining\n")
		}
	}
	check(t, work.stream.CloseWrite())
	if rest, err := io.ReadAll(work.answer); err != nil || len(rest) != 0 {
		t.Errorf("the end of running work: %q, %v", rest, err)
	}
	check(t, work.conn.Close(core.CodeNone, ""))
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestStopNowWhileDraining: now cuts the waiting short, also when others have
// asked for a drain before.
func TestStopNowWhileDraining(t *testing.T) {
	d := newDir(t)
	n, ended := run(t, d)
	work := openEcho(t, d, n)
	addr := n.Addrs()[0]
	n.Stop(false)
	n.Stop(false)
	takesNothingNew(t, addr)
	n.Stop(true)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := work.answer.ReadByte(); err == nil || err == io.EOF {
		t.Errorf("work that was broken off looks complete: %v", err)
	}
}

// TestForwardedPort: browsers come to the port that is forwarded, so HTTP/3
// must be announced there and not where the node listens.
func TestForwardedPort(t *testing.T) {
	for _, test := range []struct{ name, config, want string }{
		{"forwarded", "[acme]\nforwarded = true\n", `h3=":443"`},
		{"not", "", `h3=":%s"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDir(t)
			check(t, os.WriteFile(d.Config(), []byte(test.config), 0o600))
			n, _ := run(t, d)
			_, port, err := net.SplitHostPort(n.Addrs()[0])
			check(t, err)
			tr := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			resp, err := (&http.Client{Transport: tr}).Get("https://" + n.Addrs()[0] + "/")
			check(t, err)
			resp.Body.Close()
			want := strings.Replace(test.want, "%s", port, 1)
			if got := resp.Header.Get("Alt-Svc"); !strings.HasPrefix(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
