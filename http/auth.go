package alkhttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

// A caller is what the Authorization field of one request proved.
type caller struct {
	id   core.Identity
	wait time.Duration // not looked at: too many failures from there
	busy bool          // the connection's limits refused the identity
}

type callerKey struct{}

// IdentityFrom returns who sent the request with this context, the zero
// Identity if that is not proved.
func IdentityFrom(ctx context.Context) core.Identity {
	return callerFrom(ctx).id
}

func callerFrom(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// Require is the middleware for routes that need the right to do action. Others
// get the decoy, or with [Server.Challenge] 401 if they are nobody, 403 if they
// lack the scope, and 429 if their attempts are limited.
func (s *Server) Require(action auth.Action) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := callerFrom(r.Context())
			if c.id.Allow(action) {
				w.Header().Set("Cache-Control", "no-store")
				next.ServeHTTP(w, r)
				return
			}
			s.refuse(w, r, c)
		})
	}
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, c caller) {
	if !s.Challenge {
		s.decoy(w, r)
		return
	}
	s.challenge(w, r, c)
}

func (s *Server) challenge(w http.ResponseWriter, r *http.Request, c caller) {
	switch {
	case c.wait > 0:
		w.Header().Set("Retry-After", strconv.FormatInt(int64(c.wait/time.Second)+1, 10))
		serveError(w, http.StatusTooManyRequests)
	case c.busy:
		w.Header().Set("Retry-After", "1")
		serveError(w, http.StatusTooManyRequests)
	case c.id.IsZero():
		challenge := "Bearer" // RFC 6750, section 3: no error code without a token
		if r.Header.Get("Authorization") != "" {
			challenge = `Bearer error="invalid_token"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
		serveError(w, http.StatusUnauthorized)
	default:
		serveError(w, http.StatusForbidden)
	}
}

func (s *Server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fields := r.Header.Values("Authorization")
		if len(fields) == 0 || s.Identities == nil {
			next.ServeHTTP(w, r)
			return
		}
		c := s.caller(r.Context(), fields)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	})
}

var errNotBearer = errors.New("not one bearer token")

func (s *Server) caller(ctx context.Context, fields []string) caller {
	sess := sessionFrom(ctx)
	source := addrOf(sess.who.RemoteAddr)
	if s.Failures != nil && source.IsValid() {
		if wait := s.Failures.Wait(source); wait > 0 {
			return caller{wait: wait}
		}
	}
	id, err := s.resolve(ctx, fields)
	if err != nil {
		if s.Failures != nil && source.IsValid() {
			s.Failures.Fail(source)
		}
		sess.who.LogAttempt(s.Logger, "bearer", "", err)
		return caller{}
	}
	if !sess.firstUse(id.Credential) {
		return caller{id: id}
	}
	// A connection has one proved identity, but a proxy may send the
	// requests of several callers on it: each has its own rights.
	err = sess.who.Prove(id)
	if errors.Is(err, core.ErrAlreadyProven) {
		err = nil
	}
	sess.who.LogAttempt(s.Logger, "bearer", id.Credential.String(), err)
	if err != nil {
		return caller{busy: true}
	}
	return caller{id: id}
}

func (s *Server) resolve(ctx context.Context, fields []string) (core.Identity, error) {
	if len(fields) != 1 {
		return core.Identity{}, errNotBearer
	}
	token, ok := parseBearer(fields[0])
	if !ok {
		return core.Identity{}, errNotBearer
	}
	return s.Identities.ByToken(ctx, token)
}

const maxCredentials = 4096

// parseBearer splits the credentials of RFC 6750, section 2.1: the scheme in
// any case, spaces, and a b64token.
func parseBearer(field string) (token string, ok bool) {
	scheme, token, found := strings.Cut(field, " ")
	if !found || len(field) > maxCredentials || !strings.EqualFold(scheme, "bearer") {
		return "", false
	}
	token = strings.TrimLeft(token, " ")
	text := strings.TrimRight(token, "=")
	for i := range len(text) {
		if !isTokenByte(text[i]) {
			return "", false
		}
	}
	return token, text != ""
}

func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~+/", c) >= 0
}

func addrOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func addrText(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}
