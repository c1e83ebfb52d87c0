//go:build unix

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/internal/keyring"
	"github.com/alkdev/alknet/core/dial"
)

// process is 'alknet serve' as a service manager runs it.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *bufio.Reader
	log  string
	done chan error
}

func startServe(t *testing.T, dir string, out *os.File) *process {
	t.Helper()
	p := &process{t: t, log: filepath.Join(t.TempDir(), "log"), done: make(chan error, 1)}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command("alknet", "serve", "--data", dir, "--print-ready", "--listen", "127.0.0.1:0")
	p.cmd.Stderr = log
	if out != nil {
		p.cmd.Stdout = out
	} else {
		pipe, err := p.cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		p.out = bufio.NewReader(pipe)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { p.done <- p.cmd.Wait(); close(gone) }()
	t.Cleanup(func() { p.cmd.Process.Kill(); <-gone })
	return p
}

// ready is the node's target in the line of --print-ready.
func (p *process) ready(r *bufio.Reader) string {
	p.t.Helper()
	text, err := r.ReadString('\n')
	if err != nil {
		p.t.Fatalf("%v: %s", err, p.logged())
	}
	var ready struct {
		NodeID string   `json:"node_id"`
		Listen []string `json:"listen"`
	}
	if err := json.Unmarshal([]byte(text), &ready); err != nil {
		p.t.Fatal(err)
	}
	return "alknet://" + ready.NodeID + "@" + ready.Listen[0]
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) logged() string {
	p.t.Helper()
	raw, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(raw)
}

// waitLog waits for a line of the log, or for the end of the process.
func (p *process) waitLog(pattern string) {
	p.t.Helper()
	p.wait("log "+pattern, func() bool { return regexp.MustCompile(pattern).MatchString(p.logged()) })
}

func (p *process) wait(what string, there func() bool) {
	p.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !there(); <-tick.C {
		select {
		case err := <-p.done:
			p.done <- err
			p.t.Fatalf("%s: the node has ended: %v\n%s", what, err, p.logged())
		default:
		}
		if time.Now().After(end) {
			p.t.Fatalf("%s: not within %v\n%s", what, patience, p.logged())
		}
	}
}

func (p *process) ended() {
	p.t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
		if err != nil {
			p.t.Errorf("the node: %v\n%s", err, p.logged())
		}
	case <-time.After(patience):
		p.t.Errorf("the node still runs\n%s", p.logged())
	}
}

func initDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if out, err := exec.Command("alknet", "init", "--data", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// running is a command in an SSH session of the node's owner.
type running struct {
	t       *testing.T
	close   func()
	session *gossh.Session
	in      io.WriteCloser
	out     *bufio.Reader
}

func runCat(t *testing.T, dir, node string) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	d, err := datadir.At(dir)
	check(t, err)
	own, err := keyring.Open(ctx, d, nil)
	check(t, err)
	t.Cleanup(own.Close)
	cert, err := own.Certificate()
	check(t, err)
	target, err := dial.ParseTarget(node)
	check(t, err)
	dialer := dial.Dialer{Certificate: func(context.Context) (*tls.Certificate, error) { return &cert, nil }}
	conn, _, err := dialer.Dial(ctx, dial.Request{Target: target, ALPN: "alknet/ssh"})
	check(t, err)
	stream, err := conn.OpenStream(ctx)
	check(t, err)
	c, chans, reqs, err := gossh.NewClientConn(stream, node, &gossh.ClientConfig{HostKeyCallback: gossh.InsecureIgnoreHostKey()})
	check(t, err)
	client := gossh.NewClient(c, chans, reqs)
	r := &running{t: t, close: func() { client.Close(); conn.Close(0, "") }}
	t.Cleanup(r.close)
	r.session, err = client.NewSession()
	check(t, err)
	r.in, err = r.session.StdinPipe()
	check(t, err)
	out, err := r.session.StdoutPipe()
	check(t, err)
	r.out = bufio.NewReader(out)
	check(t, r.session.Start("cat"))
	r.echo("before\n")
	return r
}

func (r *running) echo(text string) {
	r.t.Helper()
	if _, err := io.WriteString(r.in, text); err != nil {
		r.t.Fatalf("running work was cut: %v", err)
	}
	if got, err := r.out.ReadString('\n'); err != nil || got != text {
		r.t.Fatalf("running work was cut: %q, %v", got, err)
	}
}

// finish ends the command, which must do so in good order.
func (r *running) finish() {
	r.t.Helper()
	r.in.Close()
	if err := r.session.Wait(); err != nil {
		r.t.Errorf("running work was cut: %v", err)
	}
	r.close()
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOneSignalDrains: what runs when SIGTERM comes may end by itself. The
// signal reaches the program in two places, so that the order of the two is
// another one from round to round.
func TestOneSignalDrains(t *testing.T) {
	dir := initDir(t)
	for range rounds(6) {
		p := startServe(t, dir, nil)
		work := runCat(t, dir, p.ready(p.out))
		p.signal(syscall.SIGTERM)
		p.waitLog("msg=stopping now=false")
		p.signal(syscall.SIGHUP) // is handled after SIGTERM was
		p.waitLog("configuration reloaded")
		work.echo("after\n")
		work.finish()
		p.ended()
	}
}

// TestSecondSignalStops: who signals twice does not want to wait.
func TestSecondSignalStops(t *testing.T) {
	dir := initDir(t)
	p := startServe(t, dir, nil)
	work := runCat(t, dir, p.ready(p.out))
	p.signal(syscall.SIGTERM)
	p.waitLog("stopping")
	p.signal(syscall.SIGTERM)
	p.ended()
	if err := work.session.Wait(); err == nil || errors.As(err, new(*gossh.ExitError)) {
		t.Errorf("the command ended in good order: %v", err)
	}
}

// TestHangupAtTheReadyLine: SIGHUP reloads from the moment on that others can
// know of the node. The ready line is held up, so that the signal comes before.
func TestHangupAtTheReadyLine(t *testing.T) {
	dir := initDir(t)
	r, w, err := os.Pipe()
	check(t, err)
	defer r.Close()
	filled := fill(t, w)
	p := startServe(t, dir, w)
	p.wait("socket", func() bool { _, err := os.Stat(filepath.Join(dir, "admin.sock")); return err == nil })
	p.signal(syscall.SIGHUP)
	out := bufio.NewReader(r)
	_, err = out.Discard(filled)
	check(t, err)
	w.Close()
	p.ready(out)
	p.waitLog("configuration reloaded")
	p.signal(syscall.SIGTERM)
	p.ended()
}

// fill writes into a pipe until it takes no more.
func fill(t *testing.T, w *os.File) (filled int) {
	t.Helper()
	raw, err := w.SyscallConn()
	check(t, err)
	check(t, raw.Control(func(fd uintptr) {
		for size := 4096; size > 0; {
			n, err := syscall.Write(int(fd), make([]byte, size))
			if err != nil {
				size /= 2
				continue
			}
			filled += n
		}
	}))
	return filled
}
