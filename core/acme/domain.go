package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// domain is one name and its certificate.
type domain struct {
	name    string
	current atomic.Pointer[tls.Certificate]
	retry   chan struct{}

	mu     sync.Mutex // protects status
	status Status

	// The rest belongs to New and then to the goroutine of maintain.
	record  record    // zero if the last attempt succeeded
	renewAt time.Time // when the certificate is due; zero if there is none
	notTill time.Time // no renewal before, whatever clocks and authorities say
	askAt   time.Time // when to ask the authority about renewal
	window  acme.RenewalInfo
	damaged []error // DamagedErrors whose files are to be set aside
	unsaved []byte  // file of a certificate that is served but not stored
}

func (d *domain) report() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status
}

func (d *domain) update(change func(*Status)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.status)
}

// use makes a certificate the one that handshakes get.
func (d *domain) use(cert *tls.Certificate) {
	d.current.Store(cert)
	d.renewAt, d.window = renewalTime(cert.Leaf), acme.RenewalInfo{}
	d.update(func(s *Status) {
		s.NotBefore, s.NotAfter = cert.Leaf.NotBefore, cert.Leaf.NotAfter
		s.Issuer = printable(cert.Leaf.Issuer.CommonName)
	})
}

func (d *domain) leaf() *x509.Certificate {
	if cert := d.current.Load(); cert != nil {
		return cert.Leaf
	}
	return nil
}

// load reads what is stored of a domain.
func (m *Manager) load(name string) *domain {
	d := &domain{name: name, retry: make(chan struct{}, 1), status: Status{Domain: name}}
	path := m.store.certificatePath(name)
	data, err := read(path)
	if err == nil && data != nil {
		var cert *tls.Certificate
		if cert, err = parseCertificate(data, name); err == nil {
			d.use(cert)
		} else {
			err = &DamagedError{path, err}
		}
	}
	if damaged := m.loadRecord(d); damaged != nil {
		d.damaged = append(d.damaged, damaged)
	}
	if err != nil {
		d.damaged = append(d.damaged, err)
		d.status.LastError = err
	}
	return d
}

func (m *Manager) loadRecord(d *domain) error {
	path := m.store.recordPath(d.name)
	data, err := read(path)
	if err != nil || data == nil {
		return err
	}
	r, err := parseRecord(data)
	if err != nil {
		return &DamagedError{path, err}
	}
	if r.Certificate != fingerprint(d.current.Load()) {
		return nil // a crash came between the new certificate and the end of the record
	}
	r.NextTry = r.resume(now())
	d.record = r
	d.status.Failures, d.status.FailedAt = r.Failures, r.TriedAt
	d.status.LastError = errors.New(r.LastError)
	return nil
}

// maintain is the life of one domain.
func (m *Manager) maintain(ctx context.Context, d *domain) {
	m.tidy(d)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-d.retry:
			if d.record.Failures > 0 {
				d.record.NextTry = now()
			}
		case <-timer.C:
		}
		if d.leaf() != nil && !d.askAt.After(now()) {
			m.consult(ctx, d)
		}
		if !d.due().After(now()) {
			m.attempt(ctx, d)
		}
		due := d.due()
		d.update(func(s *Status) { s.NextTry = due })
		if d.leaf() != nil && d.askAt.Before(due) {
			due = d.askAt
		}
		timer.Reset(min(max(due.Sub(now()), 0), longestSleep))
	}
}

// due is when the next attempt is to be made.
func (d *domain) due() time.Time {
	switch {
	case d.unsaved != nil:
		return d.record.NextTry
	case d.record.Failures > 0 && d.record.NextTry.After(d.renewAt):
		return d.record.NextTry
	case d.notTill.After(d.renewAt):
		return d.notTill
	}
	return d.renewAt
}

// consult moves the renewal to the time that the authority suggests. Without an
// answer the schedule stays.
func (m *Manager) consult(ctx context.Context, d *domain) {
	leaf := d.leaf()
	info, err := m.ask(ctx, leaf)
	switch {
	case errors.Is(err, acme.ErrUnsupported):
		d.askAt = now().Add(24 * time.Hour)
	case err != nil:
		d.askAt = now().Add(time.Hour + jitter(time.Hour))
		if ctx.Err() == nil {
			m.config.Logger.Debug("no renewal information", "domain", d.name, "error", printable(err.Error()))
		}
	default:
		m.follow(d, leaf, info)
	}
}

func (m *Manager) follow(d *domain, leaf *x509.Certificate, info acme.RenewalInfo) {
	d.askAt = askAgain(info, now())
	if !info.HasWindow() || info.SameWindow(d.window) {
		return // the time chosen in it stands
	}
	d.window, d.renewAt = info, suggestedTime(leaf, info)
	m.config.Logger.Debug("authority suggests renewal", "domain", d.name, "at", d.renewAt,
		"explanation", printable(info.ExplanationURL))
}

// attempt makes one order, and leaves a record if it fails.
func (m *Manager) attempt(ctx context.Context, d *domain) {
	select {
	case m.orders <- struct{}{}:
		defer func() { <-m.orders }()
	case <-ctx.Done():
		return
	}
	before := d.record
	err := m.try(ctx, d)
	if err != nil && ctx.Err() != nil {
		// The node is being stopped: this is nobody's failure.
		d.record = before
		m.keepRecord(d)
		return
	}
	if err != nil {
		m.failed(d, err)
	} else {
		m.succeeded(d)
	}
	due := d.due()
	d.update(func(s *Status) { s.NextTry = due })
	if m.config.OnAttempt != nil {
		m.config.OnAttempt(d.report())
	}
}

// try returns nil when a new certificate is in use and stored. It orders none
// that it could not store.
func (m *Manager) try(ctx context.Context, d *domain) error {
	d.record = record{
		Certificate: fingerprint(d.current.Load()),
		Failures:    d.record.Failures + 1,
		TriedAt:     now(),
		LastError:   "the node ended during the attempt",
	}
	d.record.NextTry = d.record.TriedAt.Add(backoff(d.record.Failures, d.leaf()))
	if d.unsaved == nil {
		if err := m.prepareOrder(d); err != nil {
			return err
		}
		var replaces *x509.Certificate
		if d.record.Failures == 1 && d.window.HasWindow() {
			replaces = d.leaf()
		}
		is, err := m.issue(ctx, d.name, replaces)
		if err != nil {
			return err
		}
		d.use(is.cert)
		d.unsaved, d.askAt = is.file, now().Add(time.Hour)
		d.notTill = now().Add(min(lifetime(is.cert.Leaf)/8, shortestUse))
		if is.renewal.HasWindow() {
			m.follow(d, is.cert.Leaf, is.renewal)
		}
	}
	if err := write(m.store.certificatePath(d.name), d.unsaved); err != nil {
		return err
	}
	d.unsaved = nil
	return nil
}

// prepareOrder moves damaged files out of the way and writes the record, which
// also shows that the folder can be written.
func (m *Manager) prepareOrder(d *domain) error {
	if err := m.rescue(d); err != nil {
		return err
	}
	return m.keepRecord(d)
}

// tidy deals at the start with what an earlier run left behind.
func (m *Manager) tidy(d *domain) {
	err := m.rescue(d)
	if err == nil && d.record.Failures == 0 {
		err = m.keepRecord(d)
	}
	if err != nil {
		m.config.Logger.Warn("certificate folder cannot be used", "domain", d.name, "error", err)
	}
}

// rescue sets damaged files aside.
func (m *Manager) rescue(d *domain) error {
	for len(d.damaged) > 0 {
		var file *DamagedError
		if errors.As(d.damaged[0], &file) {
			to, err := setAside(file.Path, now())
			if err != nil {
				return err
			}
			m.config.Logger.Warn("stored file is damaged", "domain", d.name, "error", file, "kept", to)
		}
		d.damaged = d.damaged[1:]
	}
	return nil
}

// keepRecord leaves a damaged file that could not be moved as it is.
func (m *Manager) keepRecord(d *domain) error {
	path := m.store.recordPath(d.name)
	if len(d.damaged) > 0 {
		return nil
	}
	if d.record.Failures == 0 {
		return remove(path)
	}
	data, err := d.record.encode()
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	return write(path, data)
}

func (m *Manager) failed(d *domain, err error) {
	var order *OrderError
	if errors.As(err, &order) && order.RetryAfter > 0 {
		if at := now().Add(order.RetryAfter); at.After(d.record.NextTry) {
			d.record.NextTry, d.record.RateLimited = at, true
		}
	}
	d.record.LastError = printable(err.Error())
	d.update(func(s *Status) {
		s.LastError, s.FailedAt, s.Failures = err, d.record.TriedAt, d.record.Failures
	})
	if saving := m.keepRecord(d); saving != nil {
		err = errors.Join(err, saving)
	}
	m.config.Logger.Warn("no new certificate", "domain", d.name, "error", err,
		"failures", d.record.Failures, "next_try", d.record.NextTry)
}

func (m *Manager) succeeded(d *domain) {
	d.record = record{}
	d.update(func(s *Status) { s.LastError, s.FailedAt, s.Failures = nil, time.Time{}, 0 })
	if err := m.keepRecord(d); err != nil {
		m.config.Logger.Warn("record of failures stays", "domain", d.name, "error", err)
	}
	leaf := d.leaf()
	m.config.Logger.Info("new certificate", "domain", d.name, "not_after", leaf.NotAfter, "renewal", d.renewAt)
	if t := now(); t.Before(leaf.NotBefore) || t.After(leaf.NotAfter) {
		m.config.Logger.Warn("by this machine's clock the new certificate is not valid: set the clock", "domain", d.name)
	}
}
