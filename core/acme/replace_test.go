package acme_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alkdev/alknet/core/acme"
)

// orderFilter answers orders with "replaces" itself if status is set.
type orderFilter struct {
	next            *http.Transport
	status          int
	problem         string
	replaced, plain atomic.Int32 // orders with "replaces" and without
}

func (f *orderFilter) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/order-plz") {
		return f.next.RoundTrip(r)
	}
	data, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return nil, err
	}
	var body struct{ Payload string }
	if err := json.Unmarshal(data, &body); err != nil {
		return nil, err
	}
	order, err := base64.RawURLEncoding.DecodeString(body.Payload)
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(order, []byte(`"replaces"`)) {
		f.plain.Add(1)
	} else if f.replaced.Add(1); f.status != 0 {
		text, err := json.Marshal(map[string]any{"type": "urn:ietf:params:acme:error:" + f.problem, "status": f.status})
		return &http.Response{
			StatusCode: f.status, Request: r, Body: io.NopCloser(bytes.NewReader(text)),
			Header: http.Header{"Content-Type": {"application/problem+json"}},
		}, err
	}
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(data))
	return f.next.RoundTrip(again)
}

// TestReplacementRefused renews one certificate in several ways.
func TestReplacementRefused(t *testing.T) {
	n := startNode(t)
	p := startPebble(t, pebbleConfig{tlsPort: n.port, httpPort: 1})
	first := acme.Config{Domains: []string{"node.example"}, Folder: t.TempDir(), Directory: p.directory, Roots: p.roots}
	_, attempts, stop := run(t, n, first)
	if s := next(t, attempts); s.LastError != nil {
		t.Fatal(s.LastError)
	}
	old := mustSee(t, n, "node.example")[0]
	stop()
	// Pebble 2.10.1 keeps orders by the serial number's bytes, and looks for them
	// by those of its DER encoding, which puts a zero before a high bit (RFC 9773,
	// section 4.1). It so answers serverInternal to one replacement in 255.
	misread := old.SerialNumber.BitLen()%8 == 0
	p.suggest(t, old, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))

	tests := []struct {
		name      string
		status    int
		problem   string // answer to "replaces"; pebble's own if empty
		account   bool   // keep it: only its owner may replace a certificate
		challenge acme.Challenge
		want      string // type of the error; none if empty
		repeated  bool
	}{
		{"limit reached", 429, "rateLimited", true, acme.TLSALPN01, "rateLimited", false},
		{"accepted, not reachable", 0, "", true, acme.HTTP01, "connection", false},
		{"another account", 0, "", false, acme.TLSALPN01, "", true},
		{"order not found", 500, "serverInternal", true, acme.TLSALPN01, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			filter := &orderFilter{
				next:   &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots}},
				status: tt.status, problem: tt.problem,
			}
			t.Cleanup(filter.next.CloseIdleConnections)
			c := acme.Config{
				Domains: first.Domains, Folder: filepath.Join(t.TempDir(), "certs"), Directory: p.directory,
				Client: &http.Client{Transport: filter}, Challenges: []acme.Challenge{tt.challenge},
			}
			if err := os.CopyFS(c.Folder, os.DirFS(first.Folder)); err != nil {
				t.Fatal(err)
			}
			if !tt.account {
				accounts, _ := filepath.Glob(filepath.Join(c.Folder, "*", "_account.json"))
				if len(accounts) != 1 || os.Remove(accounts[0]) != nil {
					t.Fatalf("accounts: %v", accounts)
				}
			}
			_, attempts, stop := run(t, n, c)
			s := next(t, attempts)
			stop()
			var order *acme.OrderError
			if errors.As(s.LastError, &order); (s.LastError != nil) != (tt.want != "") || order != nil && order.Type != tt.want {
				t.Fatalf("error: %v, want %q", s.LastError, tt.want)
			}
			if renewed := !mustSee(t, n, "node.example")[0].Equal(old); renewed != (tt.want == "") {
				t.Errorf("renewed: %t", renewed)
			}
			if filter.replaced.Load() == 0 || (filter.plain.Load() > 0) != tt.repeated && !misread {
				t.Errorf("%d orders with replaces, %d without", filter.replaced.Load(), filter.plain.Load())
			}
		})
	}
}
