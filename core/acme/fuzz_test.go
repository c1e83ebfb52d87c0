package acme

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func FuzzRecord(f *testing.F) {
	t0 := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	seed, err := record{Failures: 2, TriedAt: t0, NextTry: t0.Add(time.Hour), LastError: "refused"}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRecord(data)
		if err != nil {
			return
		}
		if r.Failures < 1 || len(r.LastError) > maxErrorText+len("…") {
			t.Fatalf("accepted %+v", r)
		}
		at := r.resume(t0)
		if at.After(t0.Add(maxRetryAfter)) {
			t.Fatalf("waits until %v", at)
		}
		again, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := parseRecord(again)
		if err != nil || !back.NextTry.Equal(r.NextTry) || back.Failures != r.Failures {
			t.Fatalf("%+v came back as %+v, %v", r, back, err)
		}
	})
}

func FuzzCertificateFile(f *testing.F) {
	is := mint(f, "example.org", quarter)
	f.Add(is.file)
	f.Add(is.file[:len(is.file)-10])
	f.Fuzz(func(t *testing.T, data []byte) {
		cert, err := parseCertificate(data, "example.org")
		if err != nil {
			return
		}
		if cert.Leaf == nil || cert.PrivateKey == nil || len(cert.Certificate) > maxChain {
			t.Fatalf("accepted %+v", cert.Certificate)
		}
		if err := cert.Leaf.VerifyHostname("example.org"); err != nil {
			t.Fatal(err)
		}
		renewalTime(cert.Leaf)
	})
}

func FuzzAccount(f *testing.F) {
	f.Add([]byte(`{"version":1,"url":"https://ca.example/1","contact":["mailto:you@example.org"],"key":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		account, key, err := parseAccount(data)
		if err == nil && (key == nil || account.URL != "" && !strings.HasPrefix(strings.ToLower(account.URL), "https://")) {
			t.Fatalf("accepted %q", data)
		}
	})
}

func FuzzDomainName(f *testing.F) {
	for _, s := range []string{"example.org", "Bücher.example.", "*.example.org", "192.0.2.1", "../x", "_account", "xn--a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := domainName(s)
		if err != nil {
			return
		}
		if again, err := domainName(name); err != nil || again != name {
			t.Fatalf("%q became %q, then %q, %v", s, name, again, err)
		}
		if filepath.Base(name) != name || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" || name[0] == '.' {
			t.Fatalf("%q became %q, which is no file name", s, name)
		}
	})
}

func FuzzPrintable(f *testing.F) {
	f.Add("text\x1b[2J \xff")
	f.Fuzz(func(t *testing.T, s string) {
		once := printable(s)
		if bytes.ContainsAny([]byte(once), "\x00\x1b\r\n\x7f") || len(once) > maxErrorText+len("…") {
			t.Fatalf("%q", once)
		}
		if len(s) <= maxErrorText && !reflect.DeepEqual(once, printable(once)) {
			t.Fatalf("%q is not stable", once)
		}
	})
}
