//go:build linux

package guides

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
)

// terminal is one command on a terminal of its own.
type terminal struct {
	cmd  Program
	tty  *os.File
	done chan struct{} // closed when the command has ended and all was read

	mu      sync.Mutex
	text    []byte
	changed chan struct{} // closed and replaced when text grows
	err     error         // of Wait
}

// open starts cmd as the leader of a session with a terminal.
func open(cmd Program) (*terminal, error) {
	ours, theirs, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("open a terminal: %w", err)
	}
	defer theirs.Close()
	if err := pty.Setsize(ours, &pty.Winsize{Rows: 50, Cols: 200}); err != nil {
		ours.Close()
		return nil, fmt.Errorf("open a terminal: %w", err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = session()
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, err
	}
	t := &terminal{cmd: cmd, tty: ours, done: make(chan struct{}), changed: make(chan struct{})}
	go t.read()
	return t, nil
}

func (t *terminal) read() {
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		err := t.cmd.Wait()
		t.mu.Lock()
		t.err = err
		t.mu.Unlock()
		// A child that outlives its leader may hold the terminal open.
		t.tty.SetReadDeadline(time.Now().Add(time.Second))
	}()
	buf := make([]byte, 4096)
	for {
		n, err := t.tty.Read(buf)
		t.mu.Lock()
		t.text = append(t.text, buf[:n]...)
		close(t.changed)
		t.changed = make(chan struct{})
		t.mu.Unlock()
		if err != nil {
			break
		}
	}
	<-exited
	t.tty.Close()
	close(t.done)
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[a-zA-Z]|\x1b\][^\x07]*\x07`)

// output is what was printed so far, and a channel that is closed when there
// is more.
func (t *terminal) output() (string, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return escapes.ReplaceAllString(strings.ReplaceAll(string(t.text), "\r", ""), ""), t.changed
}

var (
	errEnded = errors.New("the command has ended")
	errLate  = errors.New("nothing more within the time")
)

// await waits until what was printed satisfies enough.
func (t *terminal) await(limit time.Duration, enough func(printed string) bool) error {
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		text, changed := t.output()
		if enough(text) {
			return nil
		}
		select {
		case <-changed:
		case <-t.done:
			if text, _ := t.output(); enough(text) {
				return nil
			}
			return errEnded
		case <-late.C:
			return errLate
		}
	}
}

// poll asks until the answer is true: what goes on in other processes sends no
// event.
func poll(limit time.Duration, ok func() bool) bool {
	end := time.Now().Add(limit)
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for !ok() {
		if time.Now().After(end) {
			return false
		}
		<-every.C
	}
	return true
}

// exit waits for the end and returns the exit code.
func (t *terminal) exit(limit time.Duration) (int, error) {
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-t.done:
	case <-late.C:
		return 0, errLate
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if exit := (*exec.ExitError)(nil); t.err != nil && !errors.As(t.err, &exit) {
		return 0, t.err
	}
	return t.cmd.ProcessState.ExitCode(), nil
}

// stop ends the command and what it started in its session.
func (t *terminal) stop(patience time.Duration) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		select {
		case <-t.done:
			return
		default:
		}
		syscall.Kill(-t.cmd.Process.Pid, s)
		select {
		case <-t.done:
			return
		case <-time.After(patience):
		}
	}
}
