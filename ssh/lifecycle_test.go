//go:build unix

package ssh_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/ssh"
)

// begin starts a command and returns its session once it has written a line.
func begin(t *testing.T, client *gossh.Client, command string) (*gossh.Session, io.WriteCloser) {
	t.Helper()
	s, err := client.NewSession()
	check(t, err)
	stdin, err := s.StdinPipe()
	check(t, err)
	stdout, err := s.StdoutPipe()
	check(t, err)
	check(t, s.Start(command))
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	return s, stdin
}

// TestProcessGroupEnds proves by a FIFO, whose reader sees its end when the
// last process that holds it is gone, that nothing is left behind.
func TestProcessGroupEnds(t *testing.T) {
	tests := []struct {
		name, command string
		end           func(*node, *gossh.Client)
	}{
		{"client leaves", `exec 3>$FIFO; sleep 1000 & echo; wait`, func(_ *node, c *gossh.Client) { c.Close() }},
		{"output held in the background", `exec 3>$FIFO; sleep 1000 & echo`, func(_ *node, c *gossh.Client) { c.Close() }},
		{"hard stop, deaf to SIGHUP", `exec 3>$FIFO; trap '' HUP; sleep 1000 & echo; wait`, func(n *node, _ *gossh.Client) { n.stop() }},
		{"client leaves, deaf to SIGHUP", `exec 3>$FIFO; trap '' HUP; sleep 1000 & echo; wait`, func(_ *node, c *gossh.Client) { c.Close() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fifo := filepath.Join(t.TempDir(), "fifo")
			check(t, syscall.Mkfifo(fifo, 0o600))
			signer, key := newKey(t)
			n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, func(s *ssh.Server) { s.Env = []string{"FIFO=" + fifo} })
			client := n.dial(signer)
			var reading sync.WaitGroup
			reading.Go(func() {
				f, err := os.Open(fifo)
				if err != nil {
					t.Error(err)
					return
				}
				defer f.Close()
				io.Copy(io.Discard, f)
			})
			begin(t, client, tt.command)
			tt.end(n, client)
			reading.Wait()
			<-n.ended
		})
	}
}

func TestSignal(t *testing.T) {
	signer, key := newKey(t)
	client := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil).dial(signer)
	s, _ := begin(t, client, "trap 'exit 17' USR1; echo; while :; do :; done")
	check(t, s.Signal(gossh.SIGUSR1))
	var exit *gossh.ExitError
	if err := s.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 17 {
		t.Errorf("got %v", err)
	}
}

func TestTerminalModes(t *testing.T) {
	signer, key := newKey(t)
	client := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil).dial(signer)
	s, err := client.NewSession()
	check(t, err)
	modes := gossh.TerminalModes{gossh.ECHO: 0, gossh.IXON: 0, gossh.ONLCR: 0, gossh.VINTR: 24, gossh.VQUIT: 255, gossh.TTY_OP_ISPEED: 9600}
	check(t, s.RequestPty("vt100", 24, 80, modes))
	out, err := s.Output("stty -a; echo $TERM")
	check(t, err)
	for _, want := range []string{"rows 24; columns 80", "-echo ", "-ixon", "-onlcr", "intr = ^X", "quit = <undef>", "\nvt100\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in %q", want, out)
		}
	}
}

// TestTerminalHeldInTheBackground: a process that keeps the terminal open, in
// a session of its own, does not keep the channel open.
func TestTerminalHeldInTheBackground(t *testing.T) {
	signer, key := newKey(t)
	client := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil).dial(signer)
	s, err := client.NewSession()
	check(t, err)
	check(t, s.RequestPty("vt100", 24, 80, nil))
	out, err := s.Output("trap '' HUP; setsid sleep 30 & head -c 300000 /dev/zero | tr '\\0' x; echo; echo $!; exit 3")
	written, last, _ := strings.Cut(string(out), "\r\n")
	pid, _ := strconv.Atoi(strings.TrimSpace(last))
	if pid <= 0 || len(written) != 300000 {
		t.Errorf("%d bytes, then %q", len(written), last)
	} else if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the background process was gone when the channel closed: %v", err)
	}
	var exit *gossh.ExitError
	if !errors.As(err, &exit) || exit.ExitStatus() != 3 {
		t.Errorf("got %v", err)
	}
}

func TestEnvIsFiltered(t *testing.T) {
	signer, key := newKey(t)
	client := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil).dial(signer)
	s, err := client.NewSession()
	check(t, err)
	for name, want := range map[string]bool{
		"LANG": true, "LC_ALL": true, "COLORTERM": true, "GIT_PROTOCOL": true,
		"LD_PRELOAD": false, "PATH": false, "BASH_ENV": false, "LANGUAGE": false, "": false, "LC_A=B": false,
	} {
		if err := s.Setenv(name, "x"); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Setenv("LC_ALL", strings.Repeat("x", 4097)); err == nil {
		t.Error("a value of 4097 bytes was accepted")
	}
	for range 60 {
		check(t, s.Setenv("LC_TIME", "x"))
	}
	if err := s.Setenv("LC_TIME", "x"); err == nil {
		t.Error("65 variables were accepted")
	}
}

func TestScopes(t *testing.T) {
	tests := []struct {
		name    string
		scopes  []string
		command string
		stdout  string
		refused bool
	}{
		{name: "exec of anything", scopes: []string{"ssh:exec"}, command: "echo a; echo b", stdout: "a\nb\n"},
		{name: "admin", scopes: []string{"admin"}, command: "echo a", stdout: "a\n"},
		{name: "one command", scopes: []string{"ssh:exec:echo 'a  b'"}, command: `echo "a  b"`, stdout: "a  b\n"},
		{name: "one command, more words", scopes: []string{"ssh:exec:echo a"}, command: "echo a b", refused: true},
		{name: "one command, then another", scopes: []string{"ssh:exec:echo a"}, command: "echo a; id", refused: true},
		{name: "one command, substitution", scopes: []string{"ssh:exec:echo a"}, command: "echo $(id)", refused: true},
		{name: "one command, second line", scopes: []string{"ssh:exec:echo a"}, command: "echo a\nid", refused: true},
		{name: "shell is not exec", scopes: []string{"ssh:shell"}, command: "echo a", refused: true},
		{name: "nothing", command: "echo a", refused: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			signer, key := newKey(t)
			n := newNode(t, []auth.Peer{peer("laptop", key, tt.scopes...)}, nil)
			s, err := n.dial(signer).NewSession()
			check(t, err)
			out, err := s.Output(tt.command)
			if (err != nil) != tt.refused || string(out) != tt.stdout {
				t.Errorf("%q, %v", out, err)
			}
			if got := len(n.log.lines("request refused", "ssh:exec")); (got == 1) != tt.refused {
				t.Errorf("%d lines in the log", got)
			}
		})
	}
}

// TestRightsAreReadAgain: a right that is taken away is gone for the next
// request of a connection that is open.
func TestRightsAreReadAgain(t *testing.T) {
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil)
	client := n.dial(signer)
	waiting, err := client.NewSession()
	check(t, err)
	check(t, n.store.Update(func(d *config.Dynamic) error { d.Peers[0].Scopes = []string{"ssh:shell"}; return nil }))
	if err := waiting.Run("true"); err == nil {
		t.Error("the right still works")
	}
	check(t, n.store.Update(func(d *config.Dynamic) error { d.Peers[0].Disabled = true; return nil }))
	if _, err := client.NewSession(); err == nil {
		t.Error("a disabled peer opened a channel")
	}
}

func TestMaxChannels(t *testing.T) {
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, func(s *ssh.Server) { s.MaxChannels = 2 })
	one, two := n.dial(signer), n.dial(signer)
	first, err := one.NewSession()
	check(t, err)
	_, err = two.NewSession()
	check(t, err)
	_, _, err = one.OpenChannel("session", nil)
	var open *gossh.OpenChannelError
	if !errors.As(err, &open) || open.Reason != gossh.ResourceShortage {
		t.Fatalf("got %v", err)
	}
	check(t, first.Close())
	for err := error(open); err != nil; { // until the server has seen the end
		_, err = one.NewSession()
	}
}

func TestDrain(t *testing.T) {
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil)
	busy, idle := n.dial(signer), n.dial(signer)
	s, stdin := begin(t, busy, "echo; cat")
	drained := make(chan error, 1)
	go func() { drained <- n.server.Drain(context.Background()) }()
	idle.Wait() // it had nothing to finish
	if _, err := busy.NewSession(); err == nil {
		t.Error("a session was begun while draining")
	}
	if c, err := gossh.Dial("tcp", n.addr, n.client(signer)); err == nil {
		c.Close()
		t.Error("a connection was accepted while draining")
	}
	select {
	case <-drained:
		t.Error("Drain did not wait for the session")
	default:
	}
	stdin.Close()
	check(t, s.Wait())
	check(t, <-drained)
	busy.Wait()
}

func TestDrainGivesUp(t *testing.T) {
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil)
	begin(t, n.dial(signer), "echo; cat")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := n.server.Drain(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestSubsystem(t *testing.T) {
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "sftp:read")}, func(s *ssh.Server) {
		may := func(id auth.Identity) bool { return id.AllowSome("sftp", "read") }
		s.Subsystems = map[string]ssh.Subsystem{
			"echo": {Allow: may, Serve: func(_ context.Context, rw io.ReadWriteCloser, _ auth.Identity) error {
				_, err := io.Copy(rw, rw)
				return err
			}},
			"panics":  {Allow: may, Serve: func(context.Context, io.ReadWriteCloser, auth.Identity) error { panic("oops") }},
			"nobody":  {Serve: func(context.Context, io.ReadWriteCloser, auth.Identity) error { return nil }},
			"forever": {Allow: may, Serve: func(ctx context.Context, _ io.ReadWriteCloser, _ auth.Identity) error { <-ctx.Done(); return nil }},
		}
	})
	client := n.dial(signer)
	use := func(name string) (string, error) {
		s, err := client.NewSession()
		check(t, err)
		defer s.Close()
		in, err := s.StdinPipe()
		check(t, err)
		out, err := s.StdoutPipe()
		check(t, err)
		if err := s.RequestSubsystem(name); err != nil {
			return "", err
		}
		if name == "forever" {
			return "", nil
		}
		io.WriteString(in, "hello")
		in.Close()
		got, _ := io.ReadAll(out)
		return string(got), nil
	}
	for _, name := range []string{"panics", "forever", "echo"} {
		got, err := use(name)
		if want := map[string]string{"echo": "hello"}[name]; got != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"nobody", "unknown"} {
		if _, err := use(name); err == nil {
			t.Errorf("%s was served", name)
		}
	}
}

// streams is a connection with any number of streams.
type streams struct {
	core.Connection
	next chan core.Stream
}

func (c *streams) AcceptStream(ctx context.Context) (core.Stream, error) {
	select {
	case s, ok := <-c.next:
		if ok {
			return s, nil
		}
		return nil, core.ErrConnectionClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestOneIdentityPerConnection: the streams of a connection cannot speak for
// different peers, since the connection's status and revocation mean one.
func TestOneIdentityPerConnection(t *testing.T) {
	one, oneKey := newKey(t)
	two, twoKey := newKey(t)
	n := newNode(t, []auth.Peer{peer("one", oneKey, "ssh:exec"), peer("two", twoKey, "ssh:exec")}, nil)
	a, b := net.Pipe()
	defer b.Close()
	conn := &streams{Connection: core.NewStreamConn(a, ssh.ALPN), next: make(chan core.Stream)}
	proofs := 0
	who := core.NewAuthContext(auth.Identity{}, auth.Key{}, ssh.ALPN, nil, func(auth.Identity) error { proofs++; return nil })
	done := make(chan error, 1)
	go func() { done <- n.server.Handle(context.Background(), conn, who) }()
	t.Cleanup(func() {
		close(conn.next)
		check(t, <-done)
	})

	connect := func(signer gossh.Signer) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		defer l.Close()
		client, err := net.Dial("tcp", l.Addr().String())
		check(t, err)
		server, err := l.Accept()
		check(t, err)
		go func() {
			s, err := core.NewStreamConn(server, ssh.ALPN).AcceptStream(context.Background())
			if err == nil {
				conn.next <- s
			}
		}()
		c, chans, reqs, err := gossh.NewClientConn(client, "", n.client(signer))
		if err != nil {
			client.Close()
			return err
		}
		gc := gossh.NewClient(c, chans, reqs)
		t.Cleanup(func() { gc.Close() })
		s, err := gc.NewSession()
		check(t, err)
		return s.Run("true")
	}
	check(t, connect(one))
	if connect(two) == nil {
		t.Error("another peer authenticated")
	}
	check(t, connect(one))
	if proofs != 1 || who.Who().Name != "one" {
		t.Errorf("%d proofs, %v", proofs, who.Who())
	}
}
