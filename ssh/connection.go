package ssh

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

const (
	// refusalLinger is how long a peer that failed to authenticate may take
	// to read why.
	refusalLinger = 2 * time.Second
	// handshakesPerConnection bounds the key exchanges that one peer can
	// make the node compute at the same time.
	handshakesPerConnection = 4
	// idleLimit is how long a connection may stay without a stream.
	idleLimit = 10 * time.Minute
)

// connection is one core.Connection, with an SSH connection on each stream.
type connection struct {
	server *Server
	conn   core.Connection
	who    *core.AuthContext

	slots chan struct{} // one for each handshake in progress
	stop  context.CancelCauseFunc

	mu      sync.Mutex // protects what follows
	bound   *auth.Identity
	counted bool // as a failure, see fail
	streams int
	idle    *time.Timer // runs while there is no stream
}

func newConnection(s *Server, conn core.Connection, who *core.AuthContext) *connection {
	return &connection{server: s, conn: conn, who: who, slots: make(chan struct{}, handshakesPerConnection)}
}

func (c *connection) serve(ctx context.Context) error {
	accepting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	c.stop = stop
	if c.who.Identity.IsZero() {
		grace := time.AfterFunc(c.server.loginGrace(), func() {
			if !c.authenticated() {
				c.fail()
				stop(errGrace)
			}
		})
		defer grace.Stop()
	}
	c.idle = time.AfterFunc(idleLimit, c.endIdle)
	defer c.idle.Stop()

	var streams sync.WaitGroup
	err := c.accept(accepting, func(stream core.Stream) {
		c.count(1)
		streams.Go(func() {
			defer c.count(-1)
			c.serveStream(ctx, stream)
		})
	})
	if errors.Is(err, core.ErrConnectionClosed) {
		streams.Wait() // one of them may know why
		err = nil
	}
	var refusal *core.HandlerError
	switch {
	case errors.As(context.Cause(accepting), &refusal):
		linger, cancel := context.WithTimeout(ctx, refusalLinger)
		core.Linger(linger, c.conn)
		cancel()
		c.conn.Close(refusal.Code, refusal.Reason)
		err = refusal
	case ctx.Err() != nil:
		c.conn.Close(core.CodeShutdown, "the node stops")
		err = ctx.Err()
	case err != nil:
		c.conn.Close(core.CodeInternal, "internal error")
	}
	streams.Wait()
	return err
}

// count adds to the number of streams.
func (c *connection) count(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams += n
	if c.streams == 0 {
		c.idle.Reset(idleLimit)
	} else {
		c.idle.Stop()
	}
}

func (c *connection) endIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.streams == 0 {
		c.stop(errIdle)
	}
}

// fail counts a failure of the source, only one for a connection on which
// nobody has ever authenticated.
func (c *connection) fail() {
	c.mu.Lock()
	again := c.counted && c.bound == nil
	c.counted = true
	c.mu.Unlock()
	if !again {
		c.server.failed(c.who.RemoteAddr)
	}
}

func (c *connection) accept(ctx context.Context, start func(core.Stream)) error {
	for {
		select {
		case c.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		stream, err := c.conn.AcceptStream(ctx)
		if err != nil {
			return err
		}
		start(stream)
	}
}

func (c *connection) serveStream(ctx context.Context, stream core.Stream) {
	defer stream.Close()
	l, chans, reqs, err := c.handshake(ctx, stream)
	<-c.slots
	if err != nil {
		if !c.authenticated() {
			c.stop(err)
		}
		return
	}
	if err := c.server.login(l); err != nil {
		l.conn.Close()
	}
	defer c.server.logout(l)
	l.serve(ctx, chans, reqs)
}

var (
	errGrace    = &core.HandlerError{Code: core.CodeTimeout, Reason: "authentication took too long"}
	errIdle     = &core.HandlerError{Code: core.CodeTimeout, Reason: "the connection was not used"}
	errFailed   = &core.HandlerError{Code: core.CodeAuthRequired, Reason: "authentication failed"}
	errCrowded  = &core.HandlerError{Code: core.CodeLimit, Reason: "too many unauthenticated connections, try again later"}
	errBlocked  = &core.HandlerError{Code: core.CodeLimit, Reason: "too many failed attempts, try again later"}
	errStopping = &core.HandlerError{Code: core.CodeShutdown, Reason: "the node is stopping"}
)

// handshake returns an error that is nil or a *core.HandlerError.
func (c *connection) handshake(ctx context.Context, stream core.Stream) (*login, <-chan gossh.NewChannel, <-chan *gossh.Request, error) {
	s := c.server
	if c.who.Identity.IsZero() {
		if s.blocked(c.who.RemoteAddr) {
			c.who.LogAttempt(s.Logger, "publickey", "", errBlocked)
			return nil, nil, nil, errBlocked
		}
		if err := s.beginHandshake(c.who.RemoteAddr); err != nil {
			return nil, nil, nil, err
		}
		defer s.endHandshake(c.who.RemoteAddr)
	}
	stream.SetDeadline(time.Now().Add(s.loginGrace()))
	a := &authenticator{ctx: ctx, connection: c}
	conn, chans, reqs, err := gossh.NewServerConn(stream, a.config())
	if err != nil {
		return nil, nil, nil, a.failed(err)
	}
	stream.SetDeadline(time.Time{})
	l := &login{server: s, who: c.who, transport: c.conn, stream: stream, conn: conn}
	l.identity, _ = conn.Permissions.ExtraData[identityKey{}].(auth.Identity)
	return l, chans, reqs, nil
}

// handshakeError gives the failure of an SSH handshake its close code.
func handshakeError(err error) *core.HandlerError {
	var denied *gossh.ServerAuthError
	switch {
	case errors.As(err, &denied):
		return &core.HandlerError{Code: errFailed.Code, Reason: errFailed.Reason, Err: err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &core.HandlerError{Code: errGrace.Code, Reason: errGrace.Reason, Err: err}
	}
	return &core.HandlerError{Code: core.CodeProtocol, Reason: "SSH handshake failed", Err: err}
}

var errOtherIdentity = errors.New("another key authenticated on this connection before")

// bind makes id the identity of the whole connection. prove says that SSH
// itself established it.
func (c *connection) bind(id auth.Identity, prove bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bound != nil {
		if c.bound.Credential != id.Credential || c.bound.Name != id.Name {
			return errOtherIdentity
		}
		return nil
	}
	if prove {
		if err := c.who.Prove(id); err != nil {
			return err
		}
	}
	c.bound = &id
	return nil
}

func (c *connection) authenticated() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bound != nil
}
