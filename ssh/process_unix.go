//go:build unix

package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// killGrace is the time that a process group has between SIGHUP and SIGKILL.
const killGrace = 2 * time.Second

// command is what a session runs.
type command struct {
	path     string // empty: argv[0] is looked up in the PATH of env
	argv     []string
	env      []string
	dir      string
	terminal *terminalRequest // nil: pipes
}

// process is a running command, leader of its own session and process group.
type process struct {
	cmd      *exec.Cmd
	terminal *os.File // our end of the pseudo-terminal, or nil
	stdin    *os.File // our ends of the pipes; nil with a terminal
	stdout   *os.File
	stderr   *os.File

	ended chan struct{} // closed when the process is reaped and its output has ended

	mu     sync.Mutex // held while the group is signalled, so that its id is not reused
	reaped bool
}

func startProcess(c command) (*process, error) {
	path := c.path
	if path == "" {
		var err error
		if path, err = lookPath(c.argv[0], c.env); err != nil {
			return nil, fmt.Errorf("%s: command not found: %w", c.argv[0], fs.ErrNotExist)
		}
	}
	p := &process{ended: make(chan struct{})}
	p.cmd = &exec.Cmd{Path: path, Args: c.argv, Env: c.env, Dir: c.dir,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	var theirs []*os.File
	var err error
	if c.terminal != nil {
		theirs, err = p.openTerminal(c.terminal)
	} else {
		theirs, err = p.openPipes()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		p.closeFiles()
		return nil, err
	}
	return p, nil
}

func (p *process) openTerminal(req *terminalRequest) ([]*os.File, error) {
	ours, tty, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	if p.terminal, err = pollable(ours); err != nil {
		return []*os.File{tty}, fmt.Errorf("open terminal: %w", err)
	}
	setTerminalModes(tty, req.Modes)
	p.resize(req.Size)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = tty, tty, tty
	p.cmd.SysProcAttr.Setctty = true
	p.cmd.Env = append(p.cmd.Env, "SSH_TTY="+tty.Name())
	return []*os.File{tty}, nil
}

// pollable replaces f, which package pty made blocking, by a file whose Close
// ends a Read in progress.
func pollable(f *os.File) (*os.File, error) {
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

func (p *process) openPipes() (theirs []*os.File, err error) {
	open := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
		}
		return r, w
	}
	in, stdin := open()
	stdout, out := open()
	stderr, outerr := open()
	p.stdin, p.stdout, p.stderr = stdin, stdout, stderr
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = in, out, outerr
	return []*os.File{in, out, outerr}, err
}

// run joins the process and the channel, and returns when the process is
// reaped, its output has ended and the peer has closed the channel.
func (p *process) run(ch gossh.Channel) {
	var input, output sync.WaitGroup
	if p.terminal != nil {
		input.Go(func() { io.Copy(p.terminal, ch) })
		output.Go(func() { p.copyTerminal(ch) })
	} else {
		input.Go(func() { io.Copy(p.stdin, ch); p.stdin.Close() })
		output.Go(func() { copyOut(ch, p.stdout) })
		output.Go(func() { copyOut(ch.Stderr(), p.stderr) })
	}
	p.awaitExit()
	if p.terminal != nil {
		p.terminal.SetReadDeadline(time.Unix(1, 0)) // others may keep it open for ever
	}
	output.Wait()
	p.reap()
	close(p.ended)
	finish(ch, exitOf(p.cmd.ProcessState))
	p.closeFiles()
	input.Wait()
}

// copyOut ends the pipe when the channel takes nothing more, so that the
// writer notices.
func copyOut(w io.Writer, pipe *os.File) {
	io.Copy(w, pipe)
	pipe.Close()
}

// terminalBuffer is more than what a kernel holds of a terminal's output.
const terminalBuffer = 256 << 10

// copyTerminal copies until the terminal is closed, or until the process has
// exited and what it wrote before is copied.
func (p *process) copyTerminal(w io.Writer) {
	_, err := io.Copy(w, p.terminal)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	raw, err := p.terminal.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 32<<10)
	for left := terminalBuffer; left > 0; {
		n := 0
		raw.Control(func(fd uintptr) { n, err = unix.Read(int(fd), buf) })
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return
		}
		left -= n
	}
}

func (p *process) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		p.cmd.Wait()
		p.reaped = true
	}
}

// hangUp ends the process group: SIGHUP, and SIGKILL after killGrace or when
// ctx is done. Then it frees run from output that others hold open.
func (p *process) hangUp(ctx context.Context) {
	p.kill(unix.SIGHUP)
	if p.stdin != nil {
		p.stdin.Close()
	}
	grace := time.NewTimer(killGrace)
	defer grace.Stop()
	select {
	case <-p.ended:
	case <-grace.C:
	case <-ctx.Done():
	}
	p.kill(unix.SIGKILL)
	p.closeFiles()
}

func (p *process) kill(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return os.ErrProcessDone
	}
	return unix.Kill(-p.cmd.Process.Pid, sig)
}

// signals are those of RFC 4254, section 6.10.
var signals = map[string]syscall.Signal{
	"ABRT": unix.SIGABRT, "ALRM": unix.SIGALRM, "FPE": unix.SIGFPE, "HUP": unix.SIGHUP, "ILL": unix.SIGILL,
	"INT": unix.SIGINT, "KILL": unix.SIGKILL, "PIPE": unix.SIGPIPE, "QUIT": unix.SIGQUIT, "SEGV": unix.SIGSEGV,
	"TERM": unix.SIGTERM, "USR1": unix.SIGUSR1, "USR2": unix.SIGUSR2,
}

func (p *process) signal(name string) error {
	sig, ok := signals[name]
	if !ok {
		return fmt.Errorf("signal %q: %w", name, errors.ErrUnsupported)
	}
	return p.kill(sig)
}

func (p *process) resize(size windowSize) error {
	if p.terminal == nil {
		return errors.ErrUnsupported
	}
	raw, err := p.terminal.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{
			Row: size.Rows, Col: size.Columns, Xpixel: size.Width, Ypixel: size.Height,
		})
	})
	return errors.Join(err, failed)
}

func (p *process) closeFiles() {
	for _, f := range []*os.File{p.terminal, p.stdin, p.stdout, p.stderr} {
		if f != nil {
			f.Close()
		}
	}
}

func exitOf(state *os.ProcessState) exit {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return exit{status: state.ExitCode()}
	}
	name := strings.TrimPrefix(unix.SignalName(status.Signal()), "SIG")
	if _, standard := signals[name]; !standard {
		name += "@alknet" // RFC 4254, section 6.10: other names are local
	}
	return exit{signal: name, core: status.CoreDump()}
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
