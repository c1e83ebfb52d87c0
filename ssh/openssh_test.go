//go:build unix

package ssh_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/ssh"
)

// stock is OpenSSH's client with a configuration of its own.
type stock struct {
	t    *testing.T
	dir  string
	args []string
	key  auth.Key
}

// needOpenSSH skips without OpenSSH and socat, except in CI, which has them.
func needOpenSSH(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"ssh", "socat"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing", tool)
			}
			t.Skipf("%s is missing", tool)
		}
	}
}

// newStock makes a key; use binds the client to a node.
func newStock(t *testing.T) *stock {
	t.Helper()
	needOpenSSH(t)
	dir, err := os.MkdirTemp("", "ssh") // short, for the control socket
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &stock{t: t, dir: dir}
	s.key = s.writeKey("id")
	return s
}

func (s *stock) writeKey(name string) auth.Key {
	s.t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	check(s.t, err)
	block, err := gossh.MarshalPrivateKey(priv, "")
	check(s.t, err)
	check(s.t, os.WriteFile(filepath.Join(s.dir, name), pem.EncodeToMemory(block), 0o600))
	return auth.Ed25519Key(pub)
}

// use writes what "alknet ssh-config" stands for: an empty known_hosts and a
// KnownHostsCommand.
func (s *stock) use(n *node) {
	s.t.Helper()
	line, err := ssh.KnownHostsLine("node.example", n.hostKey)
	check(s.t, err)
	known := filepath.Join(s.dir, "hosts")
	check(s.t, os.WriteFile(known, []byte(line+"\n"), 0o600))
	host, port, err := net.SplitHostPort(n.addr)
	check(s.t, err)
	config := fmt.Sprintf(`Host node.example
  IdentityFile %[1]s/id
  IdentitiesOnly yes
  IdentityAgent none
  BatchMode yes
  LogLevel ERROR
  StrictHostKeyChecking yes
  UserKnownHostsFile /dev/null
  GlobalKnownHostsFile /dev/null
  KnownHostsCommand /bin/cat %[1]s/hosts
  ProxyCommand socat - TCP:%[2]s:%[3]s
`, s.dir, host, port)
	check(s.t, os.WriteFile(filepath.Join(s.dir, "config"), []byte(config), 0o600))
	s.args = []string{"-F", filepath.Join(s.dir, "config")}
}

func (s *stock) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "ssh", append(append([]string{}, s.args...), args...)...)
	cmd.Env = append(os.Environ(), "LC_ALKNET=passed", "NOT_PASSED=secret", "TERM=xterm-256color")
	return cmd
}

// run returns the exit status.
func (s *stock) run(stdin io.Reader, args ...string) (stdout, stderr string, status int) {
	s.t.Helper()
	cmd := s.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestOpenSSH(t *testing.T) {
	s := newStock(t)
	n := newNode(t, []auth.Peer{peer("laptop", s.key, "ssh:exec", "ssh:shell")}, nil)
	s.use(n)
	tests := []struct {
		name, stdin    string
		args           []string
		stdout, stderr string
		status         int
	}{
		{name: "exec", args: []string{"node.example", "echo out; echo err >&2; exit 3"}, stdout: "out\n", stderr: "err\n", status: 3},
		{name: "any user name", args: []string{"-l", "whoever", "node.example", "echo $ALKNET_PEER"}, stdout: "laptop\n"},
		{name: "status 255", args: []string{"node.example", "exit 255"}, status: 255},
		{name: "shell without a terminal", stdin: "echo from $0\nexit 7\n", args: []string{"-T", "node.example"}, stdout: "from -sh\n", status: 7},
		{name: "listed variables pass", args: []string{"-o", "SendEnv=LC_ALKNET NOT_PASSED", "node.example", "echo $LC_ALKNET $NOT_PASSED"}, stdout: "passed\n"},
		{name: "terminal", args: []string{"-tt", "node.example", "test -t 0 && test -t 1 && test -t 2 && echo $TERM && test -c $SSH_TTY && stty size"},
			stdout: "xterm-256color\r\n0 0\r\n"},
		{name: "status with a terminal", args: []string{"-tt", "node.example", "exit 9"}, status: 9},
		{name: "no input", args: []string{"-n", "node.example", "cat; echo end"}, stdout: "end\n"},
		{name: "forwarding refused", args: []string{"-o", "LogLevel=INFO", "-W", "127.0.0.1:1", "node.example"},
			stderr: "channel 0: open failed: administratively prohibited: forwarding is not served here\r\nstdio forwarding failed\r\n", status: 255},
		{name: "sftp not registered", args: []string{"-s", "node.example", "sftp"}, stderr: "subsystem request failed on channel 0\r\n", status: 255},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stdout, stderr, status := s.run(strings.NewReader(tt.stdin), tt.args...)
			if stdout != tt.stdout || stderr != tt.stderr || status != tt.status {
				t.Errorf("status %d stdout %q stderr %q", status, stdout, stderr)
			}
		})
	}
}

// TestOpenSSHPipe sends 64 MiB through a remote cat.
func TestOpenSSHPipe(t *testing.T) {
	s := newStock(t)
	s.use(newNode(t, []auth.Peer{peer("laptop", s.key, "ssh:exec")}, nil))
	size := 64 << 20
	if testing.Short() {
		size = 4 << 20
	}
	stdout, stderr, status := s.run(io.LimitReader(pattern{}, int64(size)), "node.example", "cat | wc -c")
	if strings.TrimSpace(stdout) != fmt.Sprint(size) || status != 0 {
		t.Errorf("status %d stdout %q stderr %q", status, stdout, stderr)
	}
}

func TestOpenSSHRefused(t *testing.T) {
	s := newStock(t)
	_, other := newKey(t)
	tests := []struct {
		name   string
		peer   auth.Peer
		args   []string
		stderr string
	}{
		{name: "unlisted key", peer: peer("somebody", other, "ssh:exec"), args: []string{"true"}, stderr: "Permission denied (publickey)"},
		{name: "disabled peer", peer: auth.Peer{Name: "laptop", Keys: []auth.Key{s.key}, Scopes: []string{"admin"}, Disabled: true}, args: []string{"true"}, stderr: "Permission denied (publickey)"},
		{name: "expired peer", peer: auth.Peer{Name: "laptop", Keys: []auth.Key{s.key}, Scopes: []string{"admin"}, Expires: time.Now().Add(-time.Hour)}, args: []string{"true"}, stderr: "Permission denied (publickey)"},
		{name: "no scope for exec", peer: peer("laptop", s.key, "ssh:shell"), args: []string{"true"}, stderr: "ssh:exec"},
		{name: "no scope for shell", peer: peer("laptop", s.key, "ssh:exec"), args: []string{"-T"}, stderr: "ssh:shell"},
		{name: "no scope at all", peer: peer("laptop", s.key), args: []string{"true"}, stderr: "ssh:exec"},
		{name: "another command", peer: peer("laptop", s.key, "ssh:exec:uptime"), args: []string{"uptime; id"}, stderr: "ssh:exec"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, []auth.Peer{tt.peer}, nil)
			s.use(n)
			stdout, stderr, status := s.run(nil, append([]string{"node.example"}, tt.args...)...)
			if stdout != "" || !strings.Contains(stderr, tt.stderr) || status != 255 {
				t.Errorf("status %d stdout %q stderr %q", status, stdout, stderr)
			}
			if lines := n.log.lines("auth attempt"); len(lines) != 1 {
				t.Errorf("want one line for the attempt, got %q", lines)
			}
		})
	}
}

// TestOfferedKeyIsNotTheIdentity_CVE_2024_45337: the client offers the
// administrator's public key, which it cannot sign with, and then signs with
// its own.
func TestOfferedKeyIsNotTheIdentity_CVE_2024_45337(t *testing.T) {
	s := newStock(t)
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	locked, err := gossh.MarshalPrivateKeyWithPassphrase(priv, "", []byte("nobody knows"))
	check(t, err)
	check(t, os.WriteFile(filepath.Join(s.dir, "boss"), pem.EncodeToMemory(locked), 0o600))
	sshPub, err := gossh.NewPublicKey(pub)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(s.dir, "boss.pub"), gossh.MarshalAuthorizedKey(sshPub), 0o600))
	n := newNode(t, []auth.Peer{
		peer("boss", auth.Ed25519Key(pub), "admin"),
		peer("guest", s.key, "ssh:exec:printenv ALKNET_PEER"),
	}, nil)
	s.use(n)
	both := []string{"-i", filepath.Join(s.dir, "boss"), "-i", filepath.Join(s.dir, "id"), "-o", "LogLevel=DEBUG1", "node.example"}
	stdout, stderr, status := s.run(nil, append(both, "printenv ALKNET_PEER")...)
	if stdout != "guest\n" || status != 0 {
		t.Errorf("status %d stdout %q stderr %q", status, stdout, stderr)
	}
	if strings.Count(stderr, "Server accepts key") != 2 {
		t.Errorf("the test did not offer both keys: %s", stderr)
	}
	if stdout, _, status := s.run(nil, append(both, "id")...); stdout != "" || status != 255 {
		t.Errorf("status %d stdout %q", status, stdout)
	}
}

// TestOpenSSHKnownPeer: who was proved by TLS needs no SSH key.
func TestOpenSSHKnownPeer(t *testing.T) {
	s := newStock(t)
	_, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil)
	n.knownPeer(key)
	s.use(n)
	stdout, stderr, status := s.run(nil, "-o", "PubkeyAuthentication=no", "node.example", "echo $ALKNET_PEER")
	if stdout != "laptop\n" || status != 0 {
		t.Errorf("status %d stdout %q stderr %q", status, stdout, stderr)
	}
}

func TestOpenSSHWrongHostKey(t *testing.T) {
	s := newStock(t)
	n := newNode(t, []auth.Peer{peer("laptop", s.key, "ssh:exec")}, nil)
	other, _ := newKey(t)
	n.hostKey = other.PublicKey()
	s.use(n)
	if stdout, stderr, status := s.run(nil, "node.example", "echo reached"); stdout != "" || status != 255 {
		t.Errorf("status %d stdout %q stderr %q", status, stdout, stderr)
	}
}

// master leaves "ssh -N" behind, which the next commands share.
func (s *stock) master() {
	s.t.Helper()
	s.args = append(s.args, "-S", filepath.Join(s.dir, "ctl"))
	// It goes to the background once authenticated and keeps its output open.
	check(s.t, s.command("-M", "-N", "-f", "-o", "ServerAliveInterval=1", "node.example").Run())
	s.t.Cleanup(func() { s.command("-O", "exit", "node.example").Run() })
}

// TestOpenSSHMultiplexed runs three sessions on one connection at once.
func TestOpenSSHMultiplexed(t *testing.T) {
	s := newStock(t)
	n := newNode(t, []auth.Peer{peer("laptop", s.key, "ssh:exec")}, nil)
	s.use(n)
	s.master()
	type result struct {
		stdout string
		status int
	}
	results := make(chan result, 3)
	for i := range 3 {
		go func() {
			stdout, _, status := s.run(strings.NewReader("x"), "node.example", fmt.Sprintf("cat; echo %d; exit %d", i, i))
			results <- result{stdout, status}
		}()
	}
	for range 3 {
		if r := <-results; r.stdout != fmt.Sprintf("x%d\n", r.status) {
			t.Errorf("status %d stdout %q", r.status, r.stdout)
		}
	}
	if lines := n.log.lines("auth attempt"); len(lines) != 1 {
		t.Errorf("want one authentication, got %q", lines)
	}
}

// interactive runs the client on a terminal of its own.
func (s *stock) interactive(rows, columns uint16, args ...string) (*os.File, *exec.Cmd) {
	s.t.Helper()
	cmd := s.command(args...)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: rows, Cols: columns})
	check(s.t, err)
	s.t.Cleanup(func() { tty.Close() })
	return tty, cmd
}

// expect reads until the text has come.
func expect(t *testing.T, r io.Reader, text string) {
	t.Helper()
	var seen []byte
	buf := make([]byte, 1024)
	for !bytes.Contains(seen, []byte(text)) {
		n, err := r.Read(buf)
		seen = append(seen, buf[:n]...)
		if err != nil {
			t.Fatalf("waiting for %q: %v, seen %q", text, err, seen)
		}
	}
}

func TestOpenSSHTerminal(t *testing.T) {
	s := newStock(t)
	s.use(newNode(t, []auth.Peer{peer("laptop", s.key, "ssh:shell")}, nil))
	tty, cmd := s.interactive(41, 133, "-e", "none", "node.example")
	tty.WriteString("PS1=; stty -echo; echo begin-$((1+1))\n")
	expect(t, tty, "begin-2")
	tty.WriteString("stty size\n")
	expect(t, tty, "41 133\r\n")

	check(t, pty.Setsize(tty, &pty.Winsize{Rows: 50, Cols: 90}))
	check(t, cmd.Process.Signal(syscall.SIGWINCH))
	tty.WriteString("until [ \"$(stty size)\" = '50 90' ]; do :; done; echo resi''zed\n")
	expect(t, tty, "resized\r\n")

	// Control-C ends the command and not the shell.
	tty.WriteString("echo star''ted; sleep 1000\n")
	expect(t, tty, "started\r\n")
	tty.WriteString("\x03")
	tty.WriteString("echo status $?\n")
	expect(t, tty, "status 130\r\n")

	tty.WriteString("exit 5\n")
	io.Copy(io.Discard, tty)
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 5 {
		t.Errorf("status %d", status)
	}
}

// TestOpenSSHStaysWithoutCommand: "ssh -N" holds until it is told to go.
func TestOpenSSHStaysWithoutCommand(t *testing.T) {
	s := newStock(t)
	n := newNode(t, []auth.Peer{peer("laptop", s.key, "ssh:shell")}, nil)
	s.use(n)
	s.master()
	if _, stderr, status := s.run(nil, "-O", "check", "node.example"); status != 0 {
		t.Errorf("status %d stderr %q", status, stderr)
	}
}
