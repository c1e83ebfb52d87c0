package ssh

import (
	"context"
	"errors"
	"sync"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

// login is an SSH connection whose peer has authenticated.
type login struct {
	server    *Server
	who       *core.AuthContext
	transport core.Connection
	stream    core.Stream
	conn      *gossh.ServerConn
	identity  auth.Identity // as it was then; see now

	open int // channels; protected by server.mu
}

// now returns the identity with its present rights.
func (l *login) now(ctx context.Context) (auth.Identity, error) {
	return l.server.Identities.Refresh(ctx, l.identity)
}

// serve returns when the SSH connection has ended and everything it started.
func (l *login) serve(ctx context.Context, chans <-chan gossh.NewChannel, reqs <-chan *gossh.Request) {
	var work sync.WaitGroup
	defer work.Wait()
	stop := context.AfterFunc(ctx, func() { l.conn.Close() })
	defer stop()

	sessions := newGate()
	work.Go(func() { answerGlobal(mailbox(ctx, reqs, requestSize, l.cut), sessions) })
	for nc := range mailbox(ctx, chans, channelSize, l.cut) {
		if nc.ChannelType() != "session" {
			l.refuse(nc)
			continue
		}
		if sessions.closed() {
			nc.Reject(gossh.Prohibited, "no more sessions were promised")
			continue
		}
		if _, err := l.now(ctx); err != nil {
			nc.Reject(gossh.Prohibited, "this key is no longer listed here")
			continue
		}
		if err := l.server.enter(l); err != nil {
			reason := gossh.ResourceShortage
			if errors.Is(err, errDraining) {
				reason = gossh.ConnectionFailed
			}
			nc.Reject(reason, err.Error())
			continue
		}
		ch, requests, err := nc.Accept()
		if err != nil {
			l.server.leave(l)
			continue
		}
		work.Go(func() {
			defer l.server.leave(l)
			newSession(l, ch).serve(ctx, requests)
		})
	}
}

// cut ends the SSH connection at once, for a peer that asks on and on and
// takes no answers.
func (l *login) cut() {
	l.server.log("connection stalled", "remote_addr", addr(l.who.RemoteAddr), "peer", l.identity.Name)
	l.stream.CancelWrite(core.CodeLimit)
	l.stream.CancelRead(core.CodeLimit)
}

func (l *login) refuse(nc gossh.NewChannel) {
	switch kind := nc.ChannelType(); kind {
	case "direct-tcpip", "direct-streamlocal@openssh.com", "tun@openssh.com", "x11", "auth-agent@openssh.com",
		"forwarded-tcpip", "forwarded-streamlocal@openssh.com":
		l.server.log("request refused", "remote_addr", addr(l.who.RemoteAddr), "peer", l.identity.Name, "request", kind)
		nc.Reject(gossh.Prohibited, "forwarding is not served here")
	default:
		nc.Reject(gossh.UnknownChannelType, "unknown channel type")
	}
}

// answerGlobal answers requests that concern the whole connection (RFC 4254,
// section 4), until it ends.
func answerGlobal(reqs <-chan *gossh.Request, sessions *gate) {
	for r := range reqs {
		switch r.Type {
		case "keepalive@openssh.com":
			r.Reply(true, nil)
		case "no-more-sessions@openssh.com":
			sessions.close()
			r.Reply(true, nil)
		default:
			r.Reply(false, nil)
		}
	}
}

// gate is open until closed, for good.
type gate struct {
	once sync.Once
	done chan struct{}
}

func newGate() *gate   { return &gate{done: make(chan struct{})} }
func (g *gate) close() { g.once.Do(func() { close(g.done) }) }
func (g *gate) closed() bool {
	select {
	case <-g.done:
		return true
	default:
		return false
	}
}
