package ssh

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
)

// ALPN is the protocol name that a [Server] serves.
const ALPN = "alknet/ssh"

// Values that the zero fields of a [Server] stand for.
const (
	DefaultLoginGrace    = 30 * time.Second
	DefaultMaxChannels   = 256
	DefaultMaxHandshakes = 64
)

// Server is the SSH-2 handler of a node (RFC 4251 to 4254). HostKeys and
// Identities are required; every other field has a useful zero value. The
// fields must not change after the first call of Handle.
//
// A Server is a [core.ProtocolHandler] and a [core.Drainer], and is used by
// any number of connections at once.
type Server struct {
	// HostKeys sign the key exchange, one of each type; see [HostKey].
	HostKeys []gossh.Signer
	// Identities says whom a key belongs to and what they may do.
	Identities auth.IdentityProvider
	// Logger gets one line for each authentication attempt, each session and
	// each refusal. Commands are never logged. Nil discards.
	Logger *slog.Logger

	// Failures counts the SSH connections of a source that ended with nobody
	// authenticated although something was tried, or because LoginGrace was
	// over; who has to wait is not heard. Several keys offered on one
	// connection count once. It is not asked about connections whose TLS
	// handshake proved a listed peer. Nil means no limit.
	Failures *config.Failures

	// Banner is shown before authentication (RFC 4252, section 5.4); empty
	// for none. It ends in a newline.
	Banner string
	// Shell is the absolute path of the shell that runs commands and logins;
	// empty means the node's own $SHELL, or /bin/sh.
	Shell string
	// Dir is where sessions start; empty means the home directory of the
	// node's user.
	Dir string
	// Env is added to the environment of every session, as "NAME=value". A
	// session inherits of the node's environment only HOME, USER, LOGNAME,
	// PATH, LANG and TZ.
	Env []string
	// AcceptEnv lists the variables that a client may set, each a name or a
	// prefix followed by '*'. Nil means LANG, LC_*, TERM, COLORTERM and
	// GIT_PROTOCOL; empty but not nil means none.
	AcceptEnv []string
	// Subsystems are served by name (RFC 4254, section 6.5).
	Subsystems map[string]Subsystem

	// LoginGrace is the time to a proved identity; zero means
	// DefaultLoginGrace. It begins with Handle, whether anything is sent or
	// not, and where TLS proved a listed peer with the first byte of each SSH
	// connection.
	LoginGrace time.Duration
	// MaxChannels bounds the open channels of one identity, over all its
	// connections; zero means DefaultMaxChannels.
	MaxChannels int
	// MaxHandshakes bounds the unauthenticated SSH connections of everybody
	// together whom TLS has not proved to be a listed peer; zero means
	// DefaultMaxHandshakes. One source (config.RemotePrefix) may have an
	// eighth of them, but at least four. Loopback counts like any other
	// source, as it does for Failures, because other users of the machine are
	// strangers too: behind a proxy on the same machine, which makes everybody
	// one source, this has to be larger.
	MaxHandshakes int

	mu         sync.Mutex // protects what follows
	logins     map[*login]struct{}
	channels   map[string]int // open channels by identity
	open       int            // their sum
	handshakes int
	strangers  map[netip.Prefix]int // handshakes by source
	draining   bool
	drained    chan struct{} // closed when draining and open is 0; made by Drain
}

// A Subsystem is a protocol spoken on a channel, such as sftp.
type Subsystem struct {
	// Allow says whether somebody may use the subsystem. Nil allows nobody.
	Allow func(auth.Identity) bool
	// Serve speaks it. It returns when rw reports the end or ctx is done;
	// its error makes the exit status 1. A panic ends only its own channel.
	Serve func(ctx context.Context, rw io.ReadWriteCloser, who auth.Identity) error
}

var (
	_ core.ProtocolHandler = (*Server)(nil)
	_ core.Drainer         = (*Server)(nil)
)

// ALPNs returns [ALPN].
func (s *Server) ALPNs() []string { return []string{ALPN} }

// Handle serves every stream of conn as one SSH connection. All of them must
// authenticate with the same credential, so that status and revocation of the
// connection mean one peer.
//
// A connection on which nobody authenticates is ended with
// core.CodeAuthRequired, core.CodeTimeout, core.CodeLimit or
// core.CodeProtocol.
func (s *Server) Handle(ctx context.Context, conn core.Connection, who *core.AuthContext) error {
	if len(s.HostKeys) == 0 || s.Identities == nil {
		return errors.New("ssh: the server needs HostKeys and Identities")
	}
	return newConnection(s, conn, who).serve(ctx)
}

// Drain refuses new connections and channels, ends connections without an
// open channel, and waits until the last channel has closed or ctx ends.
func (s *Server) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	if s.drained == nil {
		s.drained = make(chan struct{})
		if s.open == 0 {
			close(s.drained)
		}
	}
	drained := s.drained
	var idle []*login
	for l := range s.logins {
		if l.open == 0 {
			idle = append(idle, l)
		}
	}
	s.mu.Unlock()
	for _, l := range idle {
		l.conn.Close()
	}
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var (
	errDraining = errors.New("the node is stopping")
	errTooMany  = errors.New("too many open channels")
)

// enter counts a channel of l; leave gives it back.
func (s *Server) enter(l *login) error {
	limit := s.MaxChannels
	if limit == 0 {
		limit = DefaultMaxChannels
	}
	key := l.identity.String()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining:
		return errDraining
	case s.channels[key] >= limit:
		return errTooMany
	}
	if s.channels == nil {
		s.channels = make(map[string]int)
	}
	s.channels[key]++
	s.open++
	l.open++
	return nil
}

func (s *Server) leave(l *login) {
	key := l.identity.String()
	s.mu.Lock()
	if s.channels[key]--; s.channels[key] == 0 {
		delete(s.channels, key)
	}
	s.open--
	l.open--
	if s.draining && s.open == 0 {
		close(s.drained)
	}
	last := s.draining && l.open == 0
	s.mu.Unlock()
	if last {
		l.conn.Close()
	}
}

// login registers an authenticated SSH connection; logout ends that.
func (s *Server) login(l *login) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return errDraining
	}
	if s.logins == nil {
		s.logins = make(map[*login]struct{})
	}
	s.logins[l] = struct{}{}
	return nil
}

func (s *Server) logout(l *login) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.logins, l)
}

// beginHandshake counts a handshake of a stranger; endHandshake gives it back.
func (s *Server) beginHandshake(a net.Addr) error {
	limit := s.MaxHandshakes
	if limit == 0 {
		limit = DefaultMaxHandshakes
	}
	from := config.RemotePrefix(source(a))
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining:
		return errStopping
	case s.handshakes >= limit, from.IsValid() && s.strangers[from] >= max(4, limit/8):
		return errCrowded
	}
	s.handshakes++
	if from.IsValid() {
		if s.strangers == nil {
			s.strangers = make(map[netip.Prefix]int)
		}
		s.strangers[from]++
	}
	return nil
}

func (s *Server) endHandshake(a net.Addr) {
	from := config.RemotePrefix(source(a))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handshakes--
	if !from.IsValid() {
		return
	}
	if s.strangers[from]--; s.strangers[from] == 0 {
		delete(s.strangers, from)
	}
}

func (s *Server) loginGrace() time.Duration {
	if s.LoginGrace == 0 {
		return DefaultLoginGrace
	}
	return s.LoginGrace
}

func (s *Server) log(msg string, args ...any) {
	if s.Logger != nil {
		s.Logger.Info(msg, args...)
	}
}

// source is the address that failures are counted under; the zero Addr, which
// is not limited, if a is no IP address.
func source(a net.Addr) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr()
}

func (s *Server) blocked(a net.Addr) bool {
	from := source(a)
	return s.Failures != nil && from.IsValid() && s.Failures.Wait(from) > 0
}

func (s *Server) failed(a net.Addr) {
	if from := source(a); s.Failures != nil && from.IsValid() {
		s.Failures.Fail(from)
	}
}
