package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// orderLimit bounds one attempt: validation and issuance take seconds.
const orderLimit = 10 * time.Minute

// issued is a new certificate and what is to be stored.
type issued struct {
	cert    *tls.Certificate
	file    []byte
	renewal acme.RenewalInfo // zero if the authority gave none
}

// authority is one conversation with the directory. It is made anew each time,
// since the client below keeps the directory's addresses as long as it lives.
func (m *Manager) authority() (*acmez.Client, *guard) {
	g := &guard{next: m.client.Transport}
	client := m.client
	client.Transport = g
	return &acmez.Client{
		Client: &acme.Client{
			Directory:   m.config.Directory,
			HTTPClient:  &client,
			UserAgent:   "alknet",
			PollTimeout: orderLimit,
		},
		ChallengeSolvers: m.challenges.solvers(m.config.Challenges),
	}, g
}

// order gets a certificate for one name (RFC 8555, section 7.4). The error is a
// StorageError or an OrderError.
func (m *Manager) order(ctx context.Context, name string, replaces *x509.Certificate) (issued, error) {
	ctx, cancel := context.WithTimeout(ctx, orderLimit)
	defer cancel()
	client, g := m.authority()
	is, err := m.orderWith(ctx, client, g, name, replaces)
	if p, ok := problemOf(err); ok && p.Type == acme.ProblemTypeAccountDoesNotExist {
		m.account.forget()
		is, err = m.orderWith(ctx, client, g, name, nil)
	}
	var unsaved *StorageError
	switch {
	case err == nil:
		return is, nil
	case errors.As(err, &unsaved):
		return issued{}, unsaved
	}
	return issued{}, orderError(name, err, time.Duration(g.retryAfter.Load()))
}

func (m *Manager) orderWith(ctx context.Context, client *acmez.Client, g *guard, name string, replaces *x509.Certificate) (issued, error) {
	account, err := m.account.ready(ctx, client, m.config.contact())
	if err != nil {
		return issued{}, err
	}
	key, err := newKey()
	if err != nil {
		return issued{}, err
	}
	csr, err := acmez.NewCSR(key, []string{name})
	if err != nil {
		return issued{}, fmt.Errorf("make certificate request: %w", err)
	}
	params, err := acmez.OrderParametersFromCSR(account, csr)
	if err != nil {
		return issued{}, fmt.Errorf("make order: %w", err)
	}
	params.Profile, params.Replaces = m.config.Profile, replaces
	g.created.Store(false)
	chains, err := client.ObtainCertificate(ctx, params)
	if replaces != nil && g.refused(err) {
		// RFC 9773, section 5: "replaces" is optional, and has reasons of its own to be refused.
		m.config.Logger.Warn("authority refused to replace the certificate: ordering without \"replaces\"",
			"domain", name, "error", printable(err.Error()))
		params.Replaces = nil
		chains, err = client.ObtainCertificate(ctx, params)
	}
	if err != nil {
		return issued{}, err
	}
	if len(chains) == 0 {
		return issued{}, errors.New("the authority sent no certificate")
	}
	is := issued{}
	if info := chains[0].RenewalInfo; info != nil {
		is.renewal = *info
	}
	if is.file, err = encodeCertificate(key, chains[0].ChainPEM); err != nil {
		return issued{}, err
	}
	if is.cert, err = parseCertificate(is.file, name); err != nil {
		return issued{}, fmt.Errorf("the authority sent a certificate that cannot be used: %w", err)
	}
	return is, nil
}

// askRenewal asks when the authority wants a certificate renewed (RFC 9773).
func (m *Manager) askRenewal(ctx context.Context, leaf *x509.Certificate) (acme.RenewalInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client, _ := m.authority()
	return client.GetRenewalInfo(ctx, leaf)
}

var _ http.RoundTripper = (*guard)(nil)
