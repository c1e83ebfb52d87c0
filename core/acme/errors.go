package acme

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/mholt/acmez/v3/acme"
)

var (
	// ErrRunning is returned by a second call of [Manager.Run].
	ErrRunning = errors.New("the certificate manager has been started already: make a new one with New")

	// ErrNoChallenge fails the handshake of a client that speaks acme-tls/1
	// alone while no authority is expected for that name.
	ErrNoChallenge = errors.New("no ACME challenge is open for this name")
)

// ConfigError says which field of [Config] cannot be used.
type ConfigError struct {
	Field  string
	Reason string // what is wrong and what to write instead
}

// Error implements error.
func (e *ConfigError) Error() string { return fmt.Sprintf("acme %s: %s", e.Field, e.Reason) }

// DamagedError is a stored file that cannot be used. It is kept: Run renames it
// to Path + ".damaged-TIME" before anything takes its place.
type DamagedError struct {
	Path string
	Err  error
}

// Error implements error.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("stored file %s is damaged: %v; it is kept under the name %s.damaged-TIME and replaced",
		e.Path, e.Err, e.Path)
}

// Unwrap returns the reason.
func (e *DamagedError) Unwrap() error { return e.Err }

// StorageError is a file that could not be written or moved. Nothing is ordered
// while the folder is not writable; a certificate that was issued already is
// served from memory and saved later.
type StorageError struct {
	Path string
	Err  error
}

// Error implements error.
func (e *StorageError) Error() string {
	return fmt.Sprintf("write %s: %v; check the free space and who owns the folder", e.Path, e.Err)
}

// Unwrap returns the reason.
func (e *StorageError) Unwrap() error { return e.Err }

// OrderError is an attempt that ended without a certificate.
type OrderError struct {
	Domain     string
	Type       string        // error type of RFC 8555, section 6.7, such as "dns"; empty if the authority gave none
	RetryAfter time.Duration // what the authority asked for; 0 if it did not
	Err        error
}

// Error implements error. The authority's text is bounded and printable.
func (e *OrderError) Error() string {
	return fmt.Sprintf("certificate for %s: %s; %s", e.Domain, printable(e.Err.Error()), e.Advice())
}

// Unwrap returns the reason.
func (e *OrderError) Unwrap() error { return e.Err }

// Advice says what the owner can do.
func (e *OrderError) Advice() string {
	if text, ok := advice[e.Type]; ok {
		return text
	}
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var network *net.OpError
	var name *net.DNSError
	switch {
	case errors.As(e.Err, &unknown):
		return "the directory's own certificate is not trusted here: if it is a private authority, give its root certificate"
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired:
		return "the directory's own certificate is not valid now: check this machine's clock"
	case errors.As(e.Err, &name), errors.As(e.Err, &network), errors.Is(e.Err, context.DeadlineExceeded):
		return "check that this machine reaches the directory's address"
	}
	return "it will be tried again"
}

const reachable = "the authority must reach this node at every address that the name has, on port 443 for tls-alpn-01 " +
	"or on port 80 for http-01: check the A and AAAA records, the firewall and the port forwarding"

// advice is by error type (RFC 8555, section 6.7).
var advice = map[string]string{
	"connection":              reachable,
	"tls":                     reachable,
	"unauthorized":            reachable,
	"incorrectResponse":       reachable,
	"dns":                     "check that the name exists and has A or AAAA records of this node",
	"caa":                     "the name's CAA records forbid this authority: add it there or choose another directory",
	"rateLimited":             "the authority's limit is reached: it will be tried again when that ends; use its staging directory for experiments",
	"rejectedIdentifier":      "the authority issues nothing for this name: remove it or choose another directory",
	"unsupportedIdentifier":   "the authority issues nothing for this name: remove it or choose another directory",
	"externalAccountRequired": "the authority wants an account made elsewhere first, which is not supported: choose another directory",
	"userActionRequired":      "the authority wants its new terms of service to be read: see the address above",
	"invalidContact":          "correct the e-mail address",
	"unsupportedContact":      "correct the e-mail address",
	"serverInternal":          "the authority has a problem of its own: it will be tried again",
}

// orderError keeps the authority's problem document within reach of errors.As.
func orderError(domain string, err error, retryAfter time.Duration) *OrderError {
	e := &OrderError{Domain: domain, Err: err}
	if p, ok := problemOf(err); ok {
		e.Type = strings.TrimPrefix(p.Type, acme.ProblemTypeNamespace)
		if e.Type == "rateLimited" || p.Status == http.StatusServiceUnavailable {
			e.RetryAfter = retryAfter
		}
	}
	return e
}

func problemOf(err error) (acme.Problem, bool) {
	var value acme.Problem
	if errors.As(err, &value) {
		return value, true
	}
	var pointer *acme.Problem
	if errors.As(err, &pointer) && pointer != nil {
		return *pointer, true
	}
	return acme.Problem{}, false
}

const maxErrorText = 600

// printable makes text of the authority fit for a log and a terminal.
func printable(s string) string {
	cut := false
	if len(s) > maxErrorText {
		s, cut = s[:maxErrorText], true
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == unicode.ReplacementChar:
			return -1
		case !unicode.IsPrint(r):
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if cut {
		s += "…"
	}
	return s
}
