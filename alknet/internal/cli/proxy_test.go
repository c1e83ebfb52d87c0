package cli

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/alkdev/alknet/core/dial"
)

// gate is an input that goes on when it is opened.
type gate struct {
	io.Reader
	open <-chan struct{}
}

func (g gate) Read(p []byte) (int, error) {
	<-g.open
	return g.Reader.Read(p)
}

func TestProxy(t *testing.T) {
	n := newTestNode(t, "")
	big := strings.Repeat("all work and no play ", 200_000)
	tests := []struct {
		alpn, in, out string
		code          int
	}{
		{"test/echo", "hello", "hello", exitDone},
		{"test/echo", big, big, exitDone},
		{"test/after-end", big, big, exitDone},
		{"test/cut", "x", "half an ans", exitFailed},
		{"test/absent", "x", "", exitFailed},
	}
	for _, via := range []string{"quic", "tcp"} {
		for _, tt := range tests {
			t.Run(via+" "+tt.alpn, func(t *testing.T) {
				got := run(t.Context(), t, reader(tt.in), "proxy", "--via", via, n.Target(), tt.alpn).want(t, tt.code)
				// A cut may overtake what was sent before it.
				if got.stdout != tt.out && (tt.code == exitDone || !strings.HasPrefix(tt.out, got.stdout)) {
					t.Errorf("%d bytes, want %d", len(got.stdout), len(tt.out))
				}
				if strings.Contains(got.stderr, "\n") {
					t.Errorf("more than a line: %q", got.stderr)
				}
			})
		}
	}
}

func TestProxyRefused(t *testing.T) {
	n := newTestNode(t, "")
	got := run(t.Context(), t, reader("x"), "proxy", "--via", "quic", n.Target(), "test/forbidden").want(t, exitRefused)
	if !strings.Contains(got.stderr, "alknet init") {
		t.Errorf("a stranger is not told what to do: %s", got.stderr)
	}
	got = run(t.Context(), t, reader("x"), "proxy", "--via", "tcp", n.Target(), "test/forbidden").want(t, exitFailed)
	if !strings.Contains(got.stderr, "--via quic") {
		t.Errorf("stderr: %s", got.stderr)
	}
}

// What is sent after the peer has ended its direction arrives, end included.
func TestProxyPeerEndsFirst(t *testing.T) {
	n := newTestNode(t, "")
	for _, via := range []string{"quic", "tcp"} {
		t.Run(via, func(t *testing.T) {
			const size = 3 << 20
			said := make(chan struct{})
			out := &closeSignal{closed: said}
			e := &env{
				stdin:  io.MultiReader(strings.NewReader("hello"), gate{strings.NewReader(strings.Repeat("x", size)), said}),
				stdout: out, stderr: io.Discard,
			}
			root := e.root()
			root.SetArgs([]string{"--data", t.TempDir() + "/none", "proxy", "--via", via, n.Target(), "test/ends-first"})
			if err := root.ExecuteContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			if out.String() != "enough said" {
				t.Errorf("stdout %q", out.String())
			}
			if got := <-n.received; got != size+5 {
				t.Errorf("the node received %d bytes, want %d", got, size+5)
			}
		})
	}
}

// closeSignal is an output that tells when it was ended.
type closeSignal struct {
	bytes.Buffer
	closed chan struct{}
}

func (c *closeSignal) Close() error {
	close(c.closed)
	return nil
}

func TestProxyOutputGone(t *testing.T) {
	n := newTestNode(t, "")
	in, write := io.Pipe()
	defer write.Close()
	go io.WriteString(write, "hello")
	out, fail := io.Pipe()
	out.Close()
	e := &env{stdin: in, stdout: fail, stderr: io.Discard}
	root := e.root()
	root.SetArgs([]string{"--data", t.TempDir() + "/none", "proxy", n.Target(), "test/echo"})
	if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "write output") {
		t.Errorf("error: %v", err)
	}
}

func TestProxyListen(t *testing.T) {
	n := newTestNode(t, "")
	for _, via := range []string{"quic", "tcp"} {
		t.Run(via, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			read, write := io.Pipe()
			e := &env{stdin: reader(""), stdout: write, stderr: io.Discard}
			root := e.root()
			root.SetArgs([]string{"--data", t.TempDir() + "/none", "proxy", "--via", via, "--listen", "127.0.0.1:0", n.Target(), "test/after-end"})
			ended := make(chan error, 1)
			go func() { ended <- root.ExecuteContext(ctx) }()
			line, err := bufio.NewReader(read).ReadString('\n')
			addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
			if err != nil || !ok {
				t.Fatalf("line %q, %v", line, err)
			}
			var clients sync.WaitGroup
			for i := range 8 {
				clients.Go(func() { askOnce(t, addr, strings.Repeat("x", 100_000+i)) })
			}
			clients.Wait()
			stop()
			if err := <-ended; err != nil {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func askOnce(t *testing.T, addr, text string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Error(err)
	}
	c.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(c)
	if err != nil || string(answer) != text {
		t.Errorf("%d bytes, want %d: %v", len(answer), len(text), err)
	}
}

func TestPurposeOf(t *testing.T) {
	for alpn, want := range map[string]dial.Purpose{
		"alknet/ssh": dial.Interactive, "alknet/call": dial.Interactive, "example.org/echo": dial.Interactive,
		"alknet/sftp": dial.Bulk, "alknet/git": dial.Bulk, "alknet/fs": dial.Bulk,
	} {
		if got := purposeOf(alpn); got != want {
			t.Errorf("%s: %v, want %v", alpn, got, want)
		}
	}
}
