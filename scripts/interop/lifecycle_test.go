//go:build unix

package interop

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell is an interactive shell of the stock client that runs beside the test.
type shell struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan string // closed when the client's output ends
	stderr lockedBuffer
	asked  int
}

func openShell(t *testing.T, config string) *shell {
	t.Helper()
	flags, _ := sshFlags(t, config)
	s := &shell{lines: make(chan string, 1024)}
	s.cmd = exec.Command(need(t, "ssh"), append(flags, "-o", "IdentityFile=none", "-tt", "box")...)
	s.cmd.Env = environment(t)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	s.cmd.Stderr = &s.stderr
	var err error
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start ssh: %v", err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(s.lines)
		for in := bufio.NewScanner(stdout); in.Scan(); {
			s.lines <- in.Text()
		}
	}()
	t.Cleanup(func() {
		// A hang-up tells the node, which would wait for a client that is killed.
		s.signal(syscall.SIGCONT)
		s.signal(syscall.SIGHUP)
		cut := time.AfterFunc(5*time.Second, func() { s.signal(syscall.SIGKILL) })
		defer cut.Stop()
		for range s.lines {
		}
		<-read
		s.cmd.Wait()
	})
	s.works(t)
	return s
}

// signal reaches ssh and its ProxyCommand.
func (s *shell) signal(sig syscall.Signal) { syscall.Kill(-s.cmd.Process.Pid, sig) }

// works asks the shell for a sum that no echo of the terminal contains.
func (s *shell) works(t *testing.T) {
	t.Helper()
	s.asked++
	fmt.Fprintf(s.stdin, "echo sum-$((%d000+234))-\n", s.asked)
	want := fmt.Sprintf("sum-%d234-", s.asked)
	limit := time.After(30 * time.Second)
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				t.Fatalf("the shell has ended: %s", s.stderr.String())
			}
			if strings.Contains(line, want) {
				return
			}
		case <-limit:
			t.Fatalf("the shell does not answer: %s", s.stderr.String())
		}
	}
}

// ended waits until the client has ended and returns how long that took.
func (s *shell) ended(t *testing.T, since time.Time, limit time.Duration) time.Duration {
	t.Helper()
	timer := time.After(limit)
	for {
		select {
		case _, ok := <-s.lines:
			if !ok {
				return time.Since(since)
			}
		case <-timer:
			t.Fatalf("the shell goes on after %v", limit)
		}
	}
}

// The promise is one second; the bound leaves room for a busy machine.
func TestRemovedPeerLosesItsShell(t *testing.T) {
	need(t, "ssh")
	n, c := serve(t), newClient(t)
	n.admit(t, "client", c.id)
	config := sshConfig(t, c, n)
	s := openShell(t, config)
	began := time.Now()
	n.alknet(t, "peer", "remove", "client").want(t, 0)
	t.Logf("closed %v after 'peer remove' was called", s.ended(t, began, 10*time.Second))
	if got := ssh(t, config, "echo", "never").want(t, 255); got.stdout != "" {
		t.Errorf("stdout %q", got.stdout)
	}
}

// A node that was killed and has come back knows none of its connections, and
// says so to the first packet (RFC 9000, section 10.3).
func TestRestartIsNoticed(t *testing.T) {
	need(t, "ssh")
	n, c := serve(t), newClient(t)
	n.admit(t, "client", c.id)
	s := openShell(t, sshConfig(t, c, n))
	n.kill()
	n.start(t, n.addr)
	began := time.Now()
	io.WriteString(s.stdin, "echo anybody there\n")
	t.Logf("noticed %v after the first packet", s.ended(t, began, 10*time.Second))
}

// pause is longer than a minute and a half and shorter than the idle timeout.
const pause = 95 * time.Second

func TestStoppedClientFindsItsShell(t *testing.T) {
	if testing.Short() {
		t.Skipf("stop a client for %v: not in a short run", pause)
	}
	t.Parallel()
	need(t, "ssh")
	n, c := serve(t), newClient(t)
	n.admit(t, "client", c.id)
	s := openShell(t, sshConfig(t, c, n))
	s.signal(syscall.SIGSTOP)
	<-time.After(pause)
	s.signal(syscall.SIGCONT)
	began := time.Now()
	s.works(t)
	t.Logf("the shell answers %v after the client goes on", time.Since(began))
}

// Readiness is promised in 300 ms on a directory that is set up; the bound
// leaves room for a busy machine.
func TestReadiness(t *testing.T) {
	n := serve(t)
	first := n.ready
	n.kill()
	n.start(t, n.addr)
	t.Logf("ready %v after the first start, %v after the second", first, n.ready)
	if n.ready > 3*time.Second {
		t.Errorf("ready after %v", n.ready)
	}
}
