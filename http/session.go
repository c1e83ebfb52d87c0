package alkhttp

import (
	"context"
	"crypto/tls"
	"net"
	"sync"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

// A session is one connection and the requests in progress on it.
type session struct {
	conn   core.Connection
	who    *core.AuthContext
	tls    *tls.ConnectionState
	altSvc string

	mu      sync.Mutex // protects what follows
	active  int
	changed chan struct{}   // closed when active becomes 0 or leaves it
	known   auth.Credential // accepted before on this connection
}

type sessionKey struct{}

func (s *Server) newSession(conn core.Connection, who *core.AuthContext) *session {
	sess := &session{conn: conn, who: who, tls: conn.TLS(), changed: make(chan struct{})}
	if conn.ALPN() != protoHTTP3 && !s.NoAltSvc {
		sess.altSvc = altSvc(s.AltSvcPort, conn.LocalAddr())
	}
	return sess
}

func sessionFrom(ctx context.Context) *session {
	sess, _ := ctx.Value(sessionKey{}).(*session)
	return sess
}

// enter returns the number of requests in progress, this one included.
func (c *session) enter() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active++; c.active == 1 {
		c.signal()
	}
	return c.active
}

func (c *session) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active--; c.active == 0 {
		c.signal()
	}
}

func (c *session) signal() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// busy reports whether a request is in progress; the channel is closed when
// the answer changes.
func (c *session) busy() (bool, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.active > 0, c.changed
}

// wait returns when no request is in progress any more. Call it after the end
// of the connection.
func (c *session) wait() {
	for {
		busy, changed := c.busy()
		if !busy {
			return
		}
		<-changed
	}
}

// firstUse reports whether cred was not the last one accepted here.
func (c *session) firstUse(cred auth.Credential) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.known != cred
	c.known = cred
	return first
}

func portOf(a net.Addr) int {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.Port
	case *net.UDPAddr:
		return a.Port
	}
	return 0
}
