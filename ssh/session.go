package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core/auth"
)

// exitNotFound is the shell's status for a command that does not exist, and
// exitCannotRun that for one which cannot be run (XCU, section 2.8.2).
const (
	exitNotFound  = 127
	exitCannotRun = 126
)

// session is one session channel (RFC 4254, section 6). All its fields belong
// to the goroutine of serve.
type session struct {
	*login
	ch gossh.Channel

	env      []string
	terminal *terminalRequest
	started  bool
	process  *process      // nil unless a process was started
	cancel   func()        // ends a subsystem; nil without
	done     chan struct{} // closed when what was started has ended
	told     chan struct{} // closed when the peer has read the last denial; nil without
}

func newSession(l *login, ch gossh.Channel) *session {
	return &session{login: l, ch: ch}
}

// serve returns when the channel is closed and what ran on it is gone.
func (s *session) serve(ctx context.Context, reqs <-chan *gossh.Request) {
	for r := range mailbox(ctx, reqs, requestSize, s.cut) {
		switch r.Type {
		case "shell", "exec", "subsystem":
			s.start(ctx, r)
		default:
			r.Reply(s.configure(ctx, r), nil)
		}
	}
	if s.cancel != nil {
		s.cancel()
	}
	if s.process != nil {
		s.process.hangUp(ctx)
	}
	if s.told != nil {
		<-s.told
	}
	if s.done != nil {
		<-s.done
	} else {
		s.ch.Close()
	}
}

// configure handles the requests that start nothing and reports success.
func (s *session) configure(ctx context.Context, r *gossh.Request) bool {
	switch r.Type {
	case "env":
		name, value, err := parseEnv(r.Payload)
		if err != nil || s.started || len(s.env) >= maxEnvCount || !s.server.acceptsEnv(name) {
			return false
		}
		s.env = append(s.env, name+"="+value)
		return true
	case "pty-req":
		req, err := parseTerminalRequest(r.Payload)
		if err != nil || s.started || s.terminal != nil {
			return false
		}
		id, err := s.now(ctx)
		if err != nil || !id.Allow(auth.Do("ssh", "shell")) && !id.AllowSome("ssh", "exec") {
			s.refused("pty-req")
			return false
		}
		s.terminal = req
		return true
	case "window-change":
		size, err := parseWindowChange(r.Payload)
		if err != nil || s.terminal == nil {
			return false
		}
		s.terminal.Size = size
		return s.process == nil || s.process.resize(size) == nil
	case "signal":
		name, err := parseName(r.Payload)
		return err == nil && s.process != nil && s.process.signal(name) == nil
	}
	return false
}

// start handles the three requests of which a channel may carry one.
func (s *session) start(ctx context.Context, r *gossh.Request) {
	if s.started || s.telling() {
		r.Reply(false, nil)
		return
	}
	id, err := s.now(ctx)
	if err != nil {
		s.deny(ctx, r, r.Type, "this key is no longer listed here")
		return
	}
	if r.Type == "subsystem" {
		s.startSubsystem(ctx, r, id)
		return
	}
	cmd, err := s.command(r, id)
	var refusal *refusalError
	switch {
	case errors.As(err, &refusal):
		s.deny(ctx, r, refusal.scope, refusal.Error())
		return
	case err != nil:
		r.Reply(false, nil)
		return
	}
	s.started = true
	s.done = make(chan struct{})
	began := time.Now()
	p, err := startProcess(cmd)
	r.Reply(true, nil)
	if err != nil {
		go func() {
			defer close(s.done)
			s.cannotRun(err)
		}()
		return
	}
	s.process = p
	s.server.log("session opened", "remote_addr", addr(s.who.RemoteAddr), "peer", id.Name, "kind", r.Type)
	go func() {
		defer close(s.done)
		p.run(s.ch)
		s.server.log("session closed", "remote_addr", addr(s.who.RemoteAddr), "peer", id.Name, "kind", r.Type,
			"duration", time.Since(began))
	}()
}

// command decides how the request is run, if id may have it run.
func (s *session) command(r *gossh.Request, id auth.Identity) (command, error) {
	cmd := command{dir: s.server.dir(), terminal: s.terminal}
	term := ""
	if s.terminal != nil {
		term = s.terminal.Term
	}
	cmd.env = s.server.environ(s.login, s.env, term)
	shell := s.server.shell()
	if r.Type == "shell" {
		if !id.Allow(auth.Do("ssh", "shell")) {
			return command{}, &refusalError{"ssh:shell", "may not open a shell"}
		}
		cmd.path, cmd.argv = shell, []string{"-" + filepath.Base(shell)}
		return cmd, nil
	}
	line, err := parseCommand(r.Payload)
	if err != nil {
		return command{}, err
	}
	if id.Allow(auth.Do("ssh", "exec")) {
		cmd.path, cmd.argv = shell, []string{filepath.Base(shell), "-c", line}
		return cmd, nil
	}
	argv, err := auth.ParseArgv(line)
	if err != nil || !id.Allow(auth.DoArgv("ssh", "exec", argv)) {
		return command{}, &refusalError{"ssh:exec", "may not run this command"}
	}
	cmd.argv = argv
	return cmd, nil
}

type refusalError struct{ scope, what string }

func (e *refusalError) Error() string {
	return "this key " + e.what + " here: no scope of its peer entry covers it (" + e.scope + ")"
}

// deny says on stderr why, since a failed request carries no text. OpenSSH
// drops output that it has not written when the failure comes, hence the
// question before it, which every client answers (RFC 4254, section 5.4); who
// does not gets the failure a little later.
func (s *session) deny(ctx context.Context, r *gossh.Request, scope, why string) {
	s.refused(scope)
	told := make(chan struct{})
	s.told = told
	go func() {
		defer close(told)
		fmt.Fprintf(s.ch.Stderr(), "alknet: %s\r\n", why)
		s.ch.SendRequest("keepalive@openssh.com", true, nil)
	}()
	patience := time.NewTimer(refusalLinger)
	defer patience.Stop()
	select {
	case <-told:
	case <-patience.C:
	case <-ctx.Done():
	}
	r.Reply(false, nil)
}

// telling reports whether a denial is still on its way: nobody else may write
// to stderr.
func (s *session) telling() bool {
	if s.told == nil {
		return false
	}
	select {
	case <-s.told:
		return false
	default:
		return true
	}
}

func (s *session) refused(what string) {
	s.server.log("request refused", "remote_addr", addr(s.who.RemoteAddr), "peer", s.identity.Name, "request", what)
}

func (s *session) cannotRun(err error) {
	status := exitCannotRun
	if isNotExist(err) {
		status = exitNotFound
	}
	fmt.Fprintf(s.ch.Stderr(), "alknet: %v\r\n", err)
	s.finish(exit{status: status})
}

// finish reports how it ended and closes the channel. Nothing writes to it
// any more.
func (s *session) finish(e exit) { finish(s.ch, e) }

func finish(ch gossh.Channel, e exit) {
	ch.CloseWrite()
	if e.signal != "" {
		ch.SendRequest("exit-signal", false, gossh.Marshal(struct {
			Signal  string
			Core    bool
			Message string
			Lang    string
		}{e.signal, e.core, "", ""}))
	} else {
		ch.SendRequest("exit-status", false, gossh.Marshal(struct{ Status uint32 }{uint32(e.status)}))
	}
	ch.Close()
}

// exit is how a process ended (RFC 4254, section 6.10).
type exit struct {
	status int
	signal string // without "SIG"; empty after a normal exit
	core   bool
}

func (s *session) startSubsystem(ctx context.Context, r *gossh.Request, id auth.Identity) {
	name, err := parseName(r.Payload)
	sub, ok := s.server.Subsystems[name]
	if err != nil || !ok || sub.Serve == nil {
		r.Reply(false, nil)
		return
	}
	if sub.Allow == nil || !sub.Allow(id) {
		s.deny(ctx, r, "subsystem", "this key may not use the subsystem "+name)
		return
	}
	s.started = true
	s.done = make(chan struct{})
	ctx, s.cancel = context.WithCancel(ctx)
	r.Reply(true, nil)
	go func() {
		defer close(s.done)
		var e exit
		if err := s.runSubsystem(ctx, sub, id); err != nil {
			e.status = 1
			s.server.log("subsystem failed", "remote_addr", addr(s.who.RemoteAddr), "peer", id.Name,
				"subsystem", name, "error", err.Error())
		}
		s.finish(e)
	}()
}

func (s *session) runSubsystem(ctx context.Context, sub Subsystem, id auth.Identity) (err error) {
	returned := false
	defer func() {
		if !returned {
			err = fmt.Errorf("panic: %v\n%s", recover(), debug.Stack())
		}
	}()
	err = sub.Serve(ctx, struct {
		io.Reader
		io.Writer
		io.Closer
	}{s.ch, s.ch, s.ch}, id)
	returned = true
	return err
}
