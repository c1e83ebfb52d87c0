package cli

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/node"
	"github.com/alkdev/alknet/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// outcome is what a command left behind.
type outcome struct {
	stdout, stderr string
	code           int
}

// run is Main with a context to end it by. The data directory does not exist
// unless the arguments say otherwise.
func run(ctx context.Context, t testing.TB, stdin io.Reader, arg ...string) outcome {
	t.Helper()
	t.Setenv(datadir.Environment, filepath.Join(t.TempDir(), "none"))
	var stdout, stderr bytes.Buffer
	e := &env{stdin: stdin, stdout: &stdout, stderr: &stderr}
	root := e.root()
	root.SetArgs(arg)
	err := root.ExecuteContext(ctx)
	o := outcome{stdout: stdout.String(), code: exitCode(err)}
	if err != nil {
		o.stderr = stderr.String() + oneLine(err)
	}
	return o
}

func (o outcome) want(t testing.TB, code int) outcome {
	t.Helper()
	if o.code != code {
		t.Fatalf("exit code %d, want %d\nstdout: %q\nstderr: %s", o.code, code, o.stdout, o.stderr)
	}
	return o
}

// handlers are what the tests' nodes serve.
func handlers(t testing.TB, received chan<- int64) []core.ProtocolHandler {
	type serve = func(s core.Stream, who *core.AuthContext) error
	one := func(alpn string, f serve) core.ProtocolHandler {
		return core.HandlerFunc(alpn, func(ctx context.Context, conn core.Connection, who *core.AuthContext) error {
			ctx, fail := context.WithCancelCause(ctx)
			defer fail(nil)
			var streams sync.WaitGroup
			defer streams.Wait()
			for {
				s, err := conn.AcceptStream(ctx)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err != nil {
					return nil
				}
				// Streams share a window: one that is not read would block them all.
				streams.Go(func() {
					if err := f(s, who); err != nil {
						fail(err)
					}
				})
			}
		})
	}
	return []core.ProtocolHandler{
		one("test/echo", func(s core.Stream, _ *core.AuthContext) error {
			defer s.Close()
			_, err := io.Copy(s, s)
			return err
		}),
		one("test/after-end", func(s core.Stream, _ *core.AuthContext) error {
			defer s.Close()
			all, err := io.ReadAll(s)
			if err == nil {
				_, err = s.Write(all)
			}
			return err
		}),
		one("test/ends-first", func(s core.Stream, _ *core.AuthContext) error {
			io.WriteString(s, "enough said")
			s.CloseWrite()
			n, _ := io.Copy(io.Discard, s)
			received <- n
			return nil
		}),
		one("test/who", func(s core.Stream, who *core.AuthContext) error {
			defer s.Close()
			_, err := io.WriteString(s, who.Identity.Name)
			return err
		}),
		one("test/forbidden", func(core.Stream, *core.AuthContext) error { return core.ErrForbidden }),
		one("test/cut", func(s core.Stream, _ *core.AuthContext) error {
			io.WriteString(s, "half an ans")
			s.CancelWrite(core.CodeInternal)
			return nil
		}),
	}
}

// testNode runs a node until the test ends.
type testNode struct {
	*node.Node
	dir      string
	addr     string
	received chan int64
}

func newTestNode(t *testing.T, passphrase string) *testNode {
	t.Helper()
	n := &testNode{dir: filepath.Join(t.TempDir(), "node"), received: make(chan int64, 1)}
	if _, err := node.Init(t.Context(), n.dir, node.InitOptions{Passphrase: passphrase}); err != nil {
		t.Fatal(err)
	}
	var err error
	n.Node, err = node.New(t.Context(), node.Config{
		Dir: n.dir, Listen: []string{"127.0.0.1:0"}, Handlers: handlers(t, n.received), Logger: slog.New(slog.DiscardHandler),
		Passphrase: func(context.Context) (string, error) { return passphrase, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	n.addr = n.Addrs()[0]
	ended := make(chan error, 1)
	go func() { ended <- n.Run(context.Background()) }()
	t.Cleanup(func() {
		n.Stop(true)
		if err := <-ended; err != nil {
			t.Errorf("node: %v", err)
		}
	})
	return n
}

// reader hides what else a *strings.Reader can do.
func reader(s string) io.Reader { return struct{ io.Reader }{strings.NewReader(s)} }

func TestFirstContact(t *testing.T) {
	n := newTestNode(t, "")
	dir := filepath.Join(t.TempDir(), "client")
	refused := run(t.Context(), t, reader("x"), "--data", dir, "proxy", n.addr, "test/echo").want(t, exitFailed)
	for _, part := range []string{n.ID().String(), "--accept-new"} {
		if !strings.Contains(refused.stderr, part) {
			t.Errorf("no %q in: %s", part, refused.stderr)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a refused contact made a data directory")
	}
	run(t.Context(), t, reader("x"), "--data", dir, "proxy", "--accept-new", n.addr, "test/echo").want(t, exitDone)
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("data directory: %v, %v", fi, err)
	}
	run(t.Context(), t, reader("x"), "--data", dir, "proxy", n.addr, "test/echo").want(t, exitDone)

	other := newTestNode(t, "")
	known := filepath.Join(dir, "known_nodes")
	raw, err := os.ReadFile(known)
	if err != nil {
		t.Fatal(err)
	}
	moved := bytes.ReplaceAll(raw, []byte(n.addr), []byte(other.addr))
	if err := os.WriteFile(known, moved, 0o600); err != nil {
		t.Fatal(err)
	}
	changed := run(t.Context(), t, reader("x"), "--data", dir, "proxy", "--accept-new", other.addr, "test/echo").want(t, exitFailed)
	if !strings.Contains(changed.stderr, "has changed") {
		t.Errorf("stderr: %s", changed.stderr)
	}
}

// The data directory's own node needs no introduction, and knows its owner,
// whether the commands sign or the node signs for them.
func TestOwnNode(t *testing.T) {
	for _, passphrase := range []string{"", "correct horse"} {
		t.Run("passphrase "+passphrase, func(t *testing.T) {
			n := newTestNode(t, passphrase)
			got := run(t.Context(), t, reader("x"), "--data", n.dir, "proxy", n.addr, "test/who").want(t, exitDone)
			if got.stdout == "" {
				t.Error("the node does not know its owner")
			}
			stranger := run(t.Context(), t, reader("x"), "proxy", n.Target(), "test/who").want(t, exitDone)
			if stranger.stdout != "" {
				t.Errorf("without a data directory the node sees %q", stranger.stdout)
			}
		})
	}
}

func TestDialUsage(t *testing.T) {
	const id = "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
	tests := []struct {
		name string
		arg  []string
		code int
		says string
	}{
		{"no node", []string{"ping"}, exitUsage, "usage"},
		{"dash", []string{"ping", "--", "-x:1"}, exitUsage, "dash"},
		{"bad port", []string{"ping", "host:0"}, exitUsage, "port"},
		{"bad via", []string{"ping", "--via", "udp", "127.0.0.1:1"}, exitUsage, "choose auto"},
		{"bad proxy", []string{"ping", "--socks5", "nowhere", "127.0.0.1:1"}, exitUsage, "--socks5"},
		{"proxy down", []string{"ping", "-c", "1", "--socks5", "127.0.0.1:1", "127.0.0.1:1"}, exitUnreachable, "proxy 127.0.0.1:1"},
		{"no dial", []string{"ping", "-c", "0", "127.0.0.1:1"}, exitUsage, "at least one"},
		{"unreachable", []string{"ping", "-c", "1", "127.0.0.1:1"}, exitUnreachable, "unreachable"},
		{"no protocol name", []string{"proxy", "127.0.0.1:1", ""}, exitUsage, "protocol name"},
		{"dashed protocol name", []string{"proxy", "--", "127.0.0.1:1", "-x"}, exitUsage, "protocol name"},
		{"listen for everybody", []string{"proxy", "--listen", "0.0.0.0:0", "127.0.0.1:1", "x"}, exitUsage, "loopback"},
		{"listen nowhere", []string{"proxy", "--listen", "2222", "127.0.0.1:1", "x"}, exitUsage, "loopback"},
		{"id that is no key", []string{"proxy", id + "@127.0.0.1:1", "x"}, exitUsage, "not a usable"},
		{"bad alias", []string{"ssh-config", "--alias", "a b", "127.0.0.1:1"}, exitUsage, "--alias"},
		{"bad host", []string{"ssh-config", "--known-hosts", "127.0.0.1:1", "HOSTNAME", "a,b"}, exitUsage, "host name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := run(t.Context(), t, reader(""), tt.arg...).want(t, tt.code)
			if !strings.Contains(got.stderr, tt.says) {
				t.Errorf("no %q in: %s", tt.says, got.stderr)
			}
		})
	}
}
