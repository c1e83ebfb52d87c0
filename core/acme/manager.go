package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// parallelOrders bounds orders under way, so that one slow name holds up few.
const parallelOrders = 4

// Manager holds the certificates of the configured domains. Its methods may be
// called concurrently.
type Manager struct {
	config     Config
	store      store
	client     http.Client
	own        *http.Transport // closed when Run ends; nil if the client was given
	account    account
	challenges *challenges
	domains    []*domain
	byName     map[string]*domain
	orders     chan struct{}
	started    atomic.Bool

	// Replaced by tests of the schedule, which need no authority.
	issue func(context.Context, string, *x509.Certificate) (issued, error)
	ask   func(context.Context, *x509.Certificate) (acme.RenewalInfo, error)
}

// New checks the configuration and loads the stored certificates. It makes no
// connection, starts nothing and changes no file. The error is a [*ConfigError];
// a stored file that cannot be used is no error but stands in [Manager.Status]
// as a [*DamagedError].
func New(c Config) (*Manager, error) {
	names, err := c.check()
	if err != nil {
		return nil, err
	}
	m := &Manager{
		config:     c,
		store:      newStore(c.Folder, c.Directory),
		challenges: newChallenges(),
		byName:     make(map[string]*domain, len(names)),
		orders:     make(chan struct{}, parallelOrders),
	}
	m.account = account{store: m.store, logger: c.Logger}
	m.client, m.own = newClient(c)
	m.issue, m.ask = m.order, m.askRenewal
	for _, name := range names {
		d := m.load(name)
		m.domains = append(m.domains, d)
		m.byName[name] = d
	}
	return m, nil
}

// Run orders and renews until ctx ends, and then returns nil when all that it
// started has ended. Failures are logged, stand in [Manager.Status] and are
// tried again. It may be called once; [ErrRunning] otherwise.
func (m *Manager) Run(ctx context.Context) error {
	if !m.started.CompareAndSwap(false, true) {
		return ErrRunning
	}
	if m.own != nil {
		defer m.own.CloseIdleConnections()
	}
	if err := m.store.prepare(); err != nil {
		m.config.Logger.Warn("certificate folder cannot be used", "error", err)
	}
	var wait sync.WaitGroup
	for _, d := range m.domains {
		wait.Go(func() { m.maintain(ctx, d) })
	}
	wait.Wait()
	return nil
}

// Certificate is the hook of core/tlsconf. For a name that is none of the
// domains, and for a domain that has no certificate yet, it returns nil, nil. It
// never blocks and never starts an order.
//
// A client whose only protocol is acme-tls/1 gets the challenge certificate of
// the name, or [ErrNoChallenge] (RFC 8737, section 3).
func (m *Manager) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == challengeProtocol {
		if cert := m.challenges.cert(name); cert != nil {
			return cert, nil
		}
		return nil, ErrNoChallenge
	}
	if d := m.byName[name]; d != nil {
		return d.current.Load(), nil
	}
	return nil, nil
}

// Retry makes domains whose last attempt failed try again at once. It is for
// owners who have removed the cause; limits of the authority still hold there.
func (m *Manager) Retry() {
	for _, d := range m.domains {
		select {
		case d.retry <- struct{}{}:
		default: // one is waiting already
		}
	}
}

// Status is how one domain stands.
type Status struct {
	Domain    string    // as in certificates: ASCII, lower case
	NotBefore time.Time // of the certificate in use; zero if there is none
	NotAfter  time.Time // of the certificate in use; zero if there is none
	Issuer    string    // common name of the issuer; empty if there is no certificate
	NextTry   time.Time // when the next order is due; zero before Run
	Failures  int       // attempts in a row that failed
	FailedAt  time.Time // when the last attempt failed; zero if it did not

	// LastError is nil if the last attempt succeeded. It is a *DamagedError,
	// a *StorageError or an *OrderError, or after a restart plain text.
	LastError error
}

// Status returns one entry for each domain, in the order of the configuration.
func (m *Manager) Status() []Status {
	list := make([]Status, len(m.domains))
	for i, d := range m.domains {
		list[i] = d.report()
	}
	return list
}
