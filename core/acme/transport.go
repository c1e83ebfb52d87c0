package acme

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// maxAnswer bounds one answer of the authority; a chain is the longest.
const maxAnswer = 1 << 20

var errAnswerTooLong = fmt.Errorf("the authority's answer is longer than %d bytes", maxAnswer)

// newClient returns the client for all requests, and the transport that is to
// be closed with the Manager, if it is the Manager's own.
func newClient(c Config) (http.Client, *http.Transport) {
	client := http.Client{Timeout: 2 * time.Minute}
	if c.Client != nil {
		client = *c.Client
	}
	if client.Transport != nil {
		return client, nil
	}
	// http.DefaultTransport would take a proxy from the environment.
	own := &http.Transport{
		TLSClientConfig:        &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    30 * time.Second,
		ResponseHeaderTimeout:  time.Minute,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
	}
	client.Transport = own
	return client, own
}

// guard bounds answers, insists on https (RFC 8555, section 6.1) and remembers
// how long the authority asked to wait and whether it created something.
type guard struct {
	next       http.RoundTripper
	retryAfter atomic.Int64 // time.Duration
	created    atomic.Bool  // an account or an order (RFC 8555, sections 7.3 and 7.4)
}

func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		return nil, errors.New("the authority names an address that is not https")
	}
	resp, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		g.retryAfter.Store(int64(parseRetryAfter(resp.Header.Get("Retry-After"), time.Now())))
	}
	if resp.StatusCode == http.StatusCreated {
		g.created.Store(true)
	}
	resp.Body = &bounded{resp.Body, maxAnswer}
	return resp, nil
}

// refused reports whether err is the authority's refusal of a new order for a
// reason that may lie in the order itself.
func (g *guard) refused(err error) bool {
	p, ok := problemOf(err)
	if !ok || g.created.Load() || p.Status == http.StatusServiceUnavailable {
		return false
	}
	return p.Type != acme.ProblemTypeRateLimited && p.Type != acme.ProblemTypeAccountDoesNotExist
}

type bounded struct {
	io.ReadCloser
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errAnswerTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// maxRetryAfter is the longest limit of Let's Encrypt.
const maxRetryAfter = 7 * 24 * time.Hour

// parseRetryAfter reads both forms of RFC 9110, section 10.2.3; 0 means none.
func parseRetryAfter(s string, now time.Time) time.Duration {
	var d time.Duration
	if seconds, err := strconv.ParseUint(s, 10, 32); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(s); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}
