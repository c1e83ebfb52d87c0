package acme

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

func TestGuard(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			for range 3 {
				w.Write(make([]byte, maxAnswer/2))
			}
		case "/plain":
			http.Redirect(w, r, "http://"+r.Host+"/", http.StatusFound)
		case "/busy":
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer server.Close()
	g := &guard{next: server.Client().Transport}
	client := &http.Client{Transport: g}
	get := func(path string) (int, error) {
		resp, err := client.Get(server.URL + path)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		return len(data), err
	}
	if n, err := get("/large"); !errors.Is(err, errAnswerTooLong) || n != maxAnswer {
		t.Errorf("large answer: %d bytes, %v", n, err)
	}
	if _, err := get("/plain"); err == nil || !strings.Contains(err.Error(), "not https") {
		t.Errorf("redirect to http: %v", err)
	}
	if _, err := get("/busy"); err != nil || time.Duration(g.retryAfter.Load()) != 90*time.Second {
		t.Errorf("Retry-After: %v, %v", time.Duration(g.retryAfter.Load()), err)
	}
}

func TestNoProxyFromTheEnvironment(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	for name, given := range map[string]*http.Client{"own": nil, "given without transport": {}} {
		t.Run(name, func(t *testing.T) {
			client, own := newClient(Config{Client: given})
			if own == nil || client.Transport != http.RoundTripper(own) || own.Proxy != nil {
				t.Errorf("transport %+v", client.Transport)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t0 := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		value string
		want  time.Duration
	}{
		{"", 0}, {"soon", 0}, {"-1", 0}, {"90", 90 * time.Second},
		{"4294967295", maxRetryAfter}, {"99999999999999999999", 0},
		{"Mon, 23 Nov 2026 13:00:00 GMT", time.Hour},
		{"Mon, 23 Nov 2020 13:00:00 GMT", 0},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			if got := parseRetryAfter(tt.value, t0); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestOrderErrorText(t *testing.T) {
	problem := acme.Problem{
		Type: acme.ProblemTypeRateLimited, Status: 429,
		Detail: "too many\x1b[2J\r\n certificates " + strings.Repeat("x", 5000),
	}
	e := orderError("example.org", problem, time.Hour)
	if e.Type != "rateLimited" || e.RetryAfter != time.Hour {
		t.Errorf("%+v", e)
	}
	text := e.Error()
	if strings.ContainsAny(text, "\x1b\r\n") || len(text) > 1000 {
		t.Errorf("text of %d bytes: %q", len(text), text)
	}
	if !strings.Contains(text, "staging") {
		t.Errorf("no advice: %s", text)
	}
	if got, ok := problemOf(e); !ok || got.Status != 429 {
		t.Error("the problem document is out of reach")
	}
	if e := orderError("example.org", context.DeadlineExceeded, time.Hour); e.Type != "" || e.RetryAfter != 0 {
		t.Errorf("%+v", e)
	}
	for kind := range advice {
		if (&OrderError{Type: kind, Err: errors.New("x")}).Advice() == "" {
			t.Errorf("no advice for %s", kind)
		}
	}
}

func TestChainIsBounded(t *testing.T) {
	is := mint(t, "example.org", quarter)
	link := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: is.cert.Certificate[0]})
	long := append(is.file, strings.Repeat(string(link), maxChain)...)
	if _, err := parseCertificate(long, "example.org"); err == nil {
		t.Error("a chain without end was accepted")
	}
}
