package acme

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

const (
	challengeProtocol = "acme-tls/1"
	challengePath     = "/.well-known/acme-challenge/"
)

// challenges are the ones open at the moment. Several orders for one name do
// not happen, since each domain has one goroutine.
type challenges struct {
	mu    sync.RWMutex // protects both maps
	certs map[string]*tls.Certificate
	texts map[string]string // key authorization by token
}

func newChallenges() *challenges {
	return &challenges{certs: make(map[string]*tls.Certificate), texts: make(map[string]string)}
}

func (c *challenges) cert(name string) *tls.Certificate {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.certs[name]
}

func (c *challenges) text(token string) (string, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	text, ok := c.texts[token]
	return text, ok
}

func (c *challenges) solvers(which []Challenge) map[string]acmez.Solver {
	solvers := make(map[string]acmez.Solver)
	for _, ch := range which {
		switch ch {
		case TLSALPN01:
			solvers[acme.ChallengeTypeTLSALPN01] = tlsSolver{c}
		case HTTP01:
			solvers[acme.ChallengeTypeHTTP01] = httpSolver{c}
		}
	}
	return solvers
}

type tlsSolver struct{ *challenges }

func (s tlsSolver) Present(_ context.Context, ch acme.Challenge) error {
	cert, err := acmez.TLSALPN01ChallengeCert(ch)
	if err != nil {
		return fmt.Errorf("make challenge certificate: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.certs[ch.Identifier.Value] = cert
	return nil
}

func (s tlsSolver) CleanUp(_ context.Context, ch acme.Challenge) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.certs, ch.Identifier.Value)
	return nil
}

type httpSolver struct{ *challenges }

func (s httpSolver) Present(_ context.Context, ch acme.Challenge) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts[ch.Token] = ch.KeyAuthorization
	return nil
}

func (s httpSolver) CleanUp(_ context.Context, ch acme.Challenge) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.texts, ch.Token)
	return nil
}

// ChallengeHandler answers the authority's HTTP-01 requests, which come to port
// 80 without TLS, while one is expected (RFC 8555, section 8.3), and gives every
// other request to next, such as a redirect to https. A nil next answers 404.
func (m *Manager) ChallengeHandler(next http.Handler) http.Handler {
	if next == nil {
		next = http.NotFoundHandler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, found := strings.CutPrefix(r.URL.Path, challengePath)
		if !found || r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		text, found := m.challenges.text(token)
		if !found {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		io.WriteString(w, text)
	})
}
