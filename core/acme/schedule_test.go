package acme

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

const (
	day     = 24 * time.Hour
	quarter = 90 * day
)

// mint makes a self-signed certificate of the given lifetime, valid from now.
func mint(t testing.TB, name string, valid time.Duration) issued {
	t.Helper()
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	return issued{cert: nil, file: mintWith(t, key, name, valid)}.parsed(t, name)
}

func mintWith(t testing.TB, key *ecdsa.PrivateKey, name string, valid time.Duration) []byte {
	t.Helper()
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{name},
		NotBefore: time.Now(), NotAfter: time.Now().Add(valid), AuthorityKeyId: []byte{1},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file, err := encodeCertificate(key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func (is issued) parsed(t testing.TB, name string) issued {
	t.Helper()
	cert, err := parseCertificate(is.file, name)
	if err != nil {
		t.Fatal(err)
	}
	is.cert = cert
	return is
}

// fakeAuthority stands for a directory in tests of the schedule.
type fakeAuthority struct {
	t        testing.TB
	valid    time.Duration
	fail     error
	window   func(*x509.Certificate) (acme.RenewalInfo, error)
	orders   []time.Time
	replaced int
}

func (f *fakeAuthority) manager(folder string) *Manager {
	f.t.Helper()
	m, err := New(Config{Domains: []string{"example.org"}, Folder: folder})
	if err != nil {
		f.t.Fatal(err)
	}
	m.issue = func(ctx context.Context, name string, replaces *x509.Certificate) (issued, error) {
		f.orders = append(f.orders, now())
		if replaces != nil {
			f.replaced++
		}
		if f.fail != nil {
			return issued{}, f.fail
		}
		return mint(f.t, name, f.valid), ctx.Err()
	}
	m.ask = func(_ context.Context, leaf *x509.Certificate) (acme.RenewalInfo, error) {
		if f.window == nil {
			return acme.RenewalInfo{}, acme.ErrUnsupported
		}
		return f.window(leaf)
	}
	return m
}

// during runs m for a while of fake time, then do, and stops it.
func during(t testing.TB, m *Manager, d time.Duration, do func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	<-time.After(d)
	synctest.Wait()
	if do != nil {
		do()
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestRenewalAheadOfExpiry(t *testing.T) {
	tests := []struct {
		name      string
		valid     time.Duration
		low, high float64 // share of the lifetime that is left at renewal
	}{
		{"ninety days", quarter, 1.0 / 3, 1.0/3 + 1.0/20},
		{"six days", 6 * day, 1.0 / 2, 1.0/2 + 1.0/20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeAuthority{t: t, valid: tt.valid}
				during(t, f.manager(folder), 4*tt.valid, nil)
				if len(f.orders) < 5 || len(f.orders) > 10 {
					t.Fatalf("%d orders in four lifetimes", len(f.orders))
				}
				for i, at := range f.orders[1:] {
					left := float64(tt.valid-at.Sub(f.orders[i])) / float64(tt.valid)
					if left < tt.low-0.01 || left > tt.high+0.01 {
						t.Errorf("renewal %d with %.3f of the lifetime left, want %.3f to %.3f", i+1, left, tt.low, tt.high)
					}
				}
			})
		})
	}
}

func TestSuggestedWindow(t *testing.T) {
	at := func(offset time.Duration) func(*x509.Certificate) (acme.RenewalInfo, error) {
		return func(leaf *x509.Certificate) (acme.RenewalInfo, error) {
			var info acme.RenewalInfo
			info.SelectedTime = leaf.NotBefore.Add(offset)
			info.SuggestedWindow.Start, info.SuggestedWindow.End = info.SelectedTime, info.SelectedTime.Add(time.Hour)
			return info, nil
		}
	}
	tests := []struct {
		name      string
		window    func(*x509.Certificate) (acme.RenewalInfo, error)
		low, high time.Duration // between the first two orders
	}{
		{"earlier than our own time", at(10 * day), 10 * day, 10*day + time.Hour},
		{"later than our own time", at(80 * day), 80 * day, 80*day + time.Hour},
		{"never", at(1000 * day), 85 * day, 86 * day},
		{"always in the past", at(-time.Hour), shortestUse, shortestUse + time.Hour},
		{"no answer", func(*x509.Certificate) (acme.RenewalInfo, error) {
			return acme.RenewalInfo{}, errors.New("unreachable")
		}, 55 * day, 60 * day},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeAuthority{t: t, valid: quarter, window: tt.window}
				during(t, f.manager(folder), 89*day, nil)
				if len(f.orders) < 2 {
					t.Fatalf("%d orders", len(f.orders))
				}
				if got := f.orders[1].Sub(f.orders[0]); got < tt.low || got > tt.high {
					t.Errorf("renewed after %v, want %v to %v", got, tt.low, tt.high)
				}
				if known := tt.name != "no answer"; known != (f.replaced > 0) {
					t.Errorf("%d orders named the certificate that they replace", f.replaced)
				}
			})
		})
	}
}

func TestFailuresAreSpaced(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeAuthority{t: t, valid: quarter, fail: &OrderError{Domain: "example.org", Err: errors.New("refused")}}
		m := f.manager(folder)
		during(t, m, 3*day, func() {
			wait := firstRetry
			for i, at := range f.orders[1:] {
				got := at.Sub(f.orders[i])
				if got < wait || got > wait*5/4 {
					t.Errorf("wait %d is %v, want %v and at most a quarter more", i+1, got, wait)
				}
				wait = min(wait*retryFactor, lastRetry)
			}
			s := m.Status()[0]
			var order *OrderError
			if s.Failures != len(f.orders) || !errors.As(s.LastError, &order) || !s.NextTry.After(now()) {
				t.Errorf("status after %d orders: %+v", len(f.orders), s)
			}

			f.fail = nil
			m.Retry()
			synctest.Wait()
			if s := m.Status()[0]; s.LastError != nil || s.Failures != 0 || s.NotAfter.IsZero() {
				t.Errorf("status after Retry: %+v", s)
			}
			n := len(f.orders)
			m.Retry()
			synctest.Wait()
			if len(f.orders) != n {
				t.Error("Retry made an order for a domain that is well")
			}
		})
		if _, err := os.Stat(m.store.recordPath("example.org")); !os.IsNotExist(err) {
			t.Errorf("the record of failures is still there: %v", err)
		}
	})
}

func TestShortLivedIsRetriedInTime(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeAuthority{t: t, valid: 6 * day}
		m := f.manager(folder)
		during(t, m, time.Hour, nil)
		f.fail, f.orders = errors.New("down"), nil
		during(t, f.manager(folder), 6*day-time.Hour, nil)
		if len(f.orders) < 6 {
			t.Errorf("%d attempts before the end", len(f.orders))
		}
	})
}

func TestRestartKeepsTheWait(t *testing.T) {
	tests := []struct {
		name      string
		fail      error
		low, high time.Duration
	}{
		{"failed", errors.New("refused"), restartRetry - time.Minute, restartRetry},
		{"rate limited", &OrderError{Type: "rateLimited", RetryAfter: 5 * day, Err: errors.New("limit")}, 5*day - time.Minute, 5 * day},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeAuthority{t: t, valid: quarter, fail: tt.fail}
				during(t, f.manager(folder), 2*time.Hour, func() { f.manager(folder) })
				f.orders = f.orders[len(f.orders)-1:]
				m := f.manager(folder)
				if s := m.Status()[0]; s.Failures == 0 || s.LastError == nil || s.LastError.Error() != tt.fail.Error() {
					t.Errorf("status after the restart: %+v", s)
				}
				// Ten restarts in a row order nothing.
				for range 10 {
					during(t, f.manager(folder), time.Second, nil)
				}
				early := len(f.orders)
				during(t, f.manager(folder), 6*day, nil)
				if tt.name == "rate limited" && early != 1 {
					t.Errorf("%d orders by restarts", early-1)
				}
				if early > 2 {
					t.Errorf("%d orders by ten restarts", early-1)
				}
				if len(f.orders) < 2 {
					t.Fatal("no further order")
				}
			})
		})
	}
}

func TestResume(t *testing.T) {
	t0 := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name string
		r    record
		want time.Time
	}{
		{"soon", record{TriedAt: t0, NextTry: t0.Add(time.Minute)}, t0.Add(time.Minute)},
		{"late", record{TriedAt: t0, NextTry: t0.Add(12 * time.Hour)}, t0.Add(restartRetry)},
		{"the authority's word", record{TriedAt: t0, NextTry: t0.Add(12 * time.Hour), RateLimited: true}, t0.Add(12 * time.Hour)},
		{"nobody's word", record{TriedAt: t0, NextTry: t0.Add(1000 * day), RateLimited: true}, t0.Add(maxRetryAfter)},
		{"clock set back", record{TriedAt: t0.Add(100 * day), NextTry: t0.Add(100*day + time.Minute)}, t0.Add(restartRetry)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.r.resume(t0); !got.Equal(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestStopIsNoFailure(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeAuthority{t: t, valid: quarter}
		m := f.manager(folder)
		m.issue = func(ctx context.Context, _ string, _ *x509.Certificate) (issued, error) {
			<-ctx.Done()
			return issued{}, ctx.Err()
		}
		during(t, m, time.Second, func() {
			// While the order hangs, handshakes go on without a certificate.
			cert, err := m.Certificate(&tls.ClientHelloInfo{ServerName: "example.org"})
			if cert != nil || err != nil {
				t.Errorf("certificate %v, error %v", cert, err)
			}
			// A node that dies now finds the attempt on record.
			if s := f.manager(folder).Status()[0]; s.Failures != 1 {
				t.Errorf("status after a crash: %+v", s)
			}
		})
		if s := f.manager(folder).Status()[0]; s.Failures != 0 || s.LastError != nil {
			t.Errorf("status after a stop: %+v", s)
		}
	})
}

func TestUnsavedCertificateIsServedAndSavedLater(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeAuthority{t: t, valid: quarter}
		m := f.manager(folder)
		// A folder in the file's place is what a rename cannot replace.
		path := m.store.certificatePath("example.org")
		inside := filepath.Join(path, "inside")
		if err := os.MkdirAll(inside, 0o700); err != nil {
			t.Fatal(err)
		}
		during(t, m, time.Hour, func() {
			var storage *StorageError
			if s := m.Status()[0]; !errors.As(s.LastError, &storage) || s.NotAfter.IsZero() {
				t.Errorf("status: %+v", s)
			}
			if cert, err := m.Certificate(&tls.ClientHelloInfo{ServerName: "example.org"}); cert == nil || err != nil {
				t.Errorf("certificate %v, error %v", cert, err)
			}
			os.RemoveAll(path)
			<-time.After(day)
			synctest.Wait()
			if s := m.Status()[0]; s.LastError != nil {
				t.Errorf("status: %+v", s)
			}
			if len(f.orders) != 1 {
				t.Errorf("%d orders", len(f.orders))
			}
		})
		again := f.manager(folder)
		if got, want := again.Status()[0].NotAfter, m.Status()[0].NotAfter; !got.Equal(want) {
			t.Errorf("stored until %v, want %v", got, want)
		}
	})
}

func TestNothingIsOrderedThatCannotBeStored(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(folder, []byte("not a folder"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		f := &fakeAuthority{t: t, valid: quarter}
		m := f.manager(folder)
		during(t, m, time.Hour, func() {
			var storage *StorageError
			if s := m.Status()[0]; !errors.As(s.LastError, &storage) || !strings.Contains(s.LastError.Error(), "check the free space") {
				t.Errorf("status: %+v", s)
			}
		})
		if len(f.orders) != 0 {
			t.Errorf("%d orders", len(f.orders))
		}
	})
}

func TestRunTwice(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := (&fakeAuthority{t: t, valid: quarter}).manager(folder)
		during(t, m, time.Second, func() {
			if err := m.Run(t.Context()); !errors.Is(err, ErrRunning) {
				t.Errorf("second Run: %v", err)
			}
		})
	})
}

func TestBackoffIsBounded(t *testing.T) {
	for _, n := range []int{1, 2, 7, 100, 1 << 30} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			if d := backoff(n, nil); d < firstRetry || d > lastRetry*5/4 {
				t.Errorf("%v", d)
			}
		})
	}
}
