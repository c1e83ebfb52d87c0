package acme

import (
	"crypto/x509"
	"math/rand/v2"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

const (
	firstRetry  = time.Minute
	retryFactor = 3
	lastRetry   = 12 * time.Hour

	// restartRetry is what a restart shortens a wait to. Four attempts an hour
	// stay below the five failed validations that Let's Encrypt allows.
	restartRetry = 15 * time.Minute

	// longestSleep makes up for timers that stand still while a machine sleeps.
	longestSleep = time.Hour

	// shortestUse stops a clock that is wrong, or an authority whose every
	// suggestion is in the past, from causing one order after the other.
	shortestUse = 6 * time.Hour

	shortLifetime = 10 * 24 * time.Hour
)

// now returns the wall clock alone: certificates follow it, not a clock that
// stands still while the machine sleeps.
func now() time.Time { return time.Now().Round(0) }

func lifetime(leaf *x509.Certificate) time.Duration { return leaf.NotAfter.Sub(leaf.NotBefore) }

// renewalTime is when to renew if the authority suggests nothing.
func renewalTime(leaf *x509.Certificate) time.Time {
	whole := lifetime(leaf)
	left := whole / 3
	if whole < shortLifetime {
		left = whole / 2
	}
	return leaf.NotAfter.Add(-left - jitter(whole/20))
}

// suggestedTime follows the authority, but not so far that there is no time
// left for a second attempt.
func suggestedTime(leaf *x509.Certificate, info acme.RenewalInfo) time.Time {
	latest := leaf.NotAfter.Add(-lifetime(leaf) / 20)
	if info.SelectedTime.After(latest) {
		return latest
	}
	return info.SelectedTime
}

// askAgain bounds the authority's polling interval (RFC 9773, section 4.3.2).
func askAgain(info acme.RenewalInfo, t time.Time) time.Time {
	wait := 6 * time.Hour
	if info.RetryAfter != nil {
		wait = min(max(info.RetryAfter.Sub(t), time.Minute), 24*time.Hour)
	}
	return t.Add(wait)
}

// backoff returns the wait after the n-th failure in a row, n >= 1. It gets no
// longer than an eighth of the lifetime of the certificate that is to be
// renewed.
func backoff(n int, leaf *x509.Certificate) time.Duration {
	longest := lastRetry
	if leaf != nil {
		longest = min(max(lifetime(leaf)/8, firstRetry), lastRetry)
	}
	d := firstRetry
	for i := 1; i < n && d < longest; i++ {
		d *= retryFactor
	}
	d = min(d, longest)
	return d + jitter(d/4)
}

// resume returns when to go on after a restart.
func (r record) resume(t time.Time) time.Time {
	from := r.TriedAt
	if from.After(t) {
		from = t // the clock has been set back
	}
	longest := restartRetry
	if r.RateLimited {
		longest = maxRetryAfter
	}
	if limit := from.Add(longest); r.NextTry.After(limit) {
		return limit
	}
	return r.NextTry
}

func jitter(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}
