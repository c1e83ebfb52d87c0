package tlsconf_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/core/tlsconf"
)

func epochKeys(t *testing.T) func(uint64) (crypto.Signer, error) {
	keys := map[uint64]*ecdsa.PrivateKey{}
	return func(epoch uint64) (crypto.Signer, error) {
		if keys[epoch] == nil {
			keys[epoch] = p256(t)
		}
		return keys[epoch], nil
	}
}

func TestWebCertificateRotates(t *testing.T) {
	key := epochKeys(t)
	start := time.Unix(0, 0).Add(3000 * tlsconf.WebRotation)
	now := start
	web := &tlsconf.WebCertificates{Key: key, Names: []string{"node.example", "192.0.2.1", "2001:db8::1"}, Now: func() time.Time { return now }}
	first, err := web.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	leaf := first.Leaf
	if !leaf.NotBefore.Equal(start.Add(-time.Hour)) {
		t.Errorf("valid from %v, want an hour before %v", leaf.NotBefore, start)
	}
	if got := leaf.NotAfter.Sub(leaf.NotBefore) + time.Second; got != 13*24*time.Hour {
		t.Errorf("valid for %v", got)
	}
	for _, name := range []string{"node.example", "192.0.2.1", "2001:db8::1"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	current, next, err := web.Hashes()
	if err != nil || current.SHA256 != sha256.Sum256(first.Certificate[0]) || next.SHA256 == current.SHA256 {
		t.Fatalf("hashes %x and %x, %v", current.SHA256, next.SHA256, err)
	}

	now = start.Add(tlsconf.WebRotation - time.Second)
	if same, err := web.Certificate(); err != nil || same != first {
		t.Errorf("changed before half life: %v", err)
	}
	now = start.Add(tlsconf.WebRotation)
	second, err := web.Certificate()
	if err != nil || sha256.Sum256(second.Certificate[0]) != next.SHA256 {
		t.Errorf("the announced certificate did not come: %v", err)
	}
	if !second.Leaf.NotBefore.Before(now) || !second.Leaf.NotAfter.After(now.Add(tlsconf.WebRotation)) {
		t.Errorf("validity %v to %v does not cover the epoch", second.Leaf.NotBefore, second.Leaf.NotAfter)
	}
	now = start.Add(10 * tlsconf.WebRotation)
	if cert, err := web.Certificate(); err != nil || !cert.Leaf.NotAfter.After(now) {
		t.Errorf("after a long sleep: %v", err)
	}
}

// A name that a certificate has no room for costs that name, not the web face.
func TestWebCertificateLeavesOutWhatIsNoName(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, test := range []struct {
		name  string
		names []string
		want  string
	}{
		{"not ASCII", []string{"müller.local", "node.example"}, "[node.example] []"},
		{"international", []string{"xn--mller-kva.local"}, "[xn--mller-kva.local] []"},
		{"wildcard", []string{"*.node.example", "*", "a.*.example"}, "[*.node.example] []"},
		{"case and digits", []string{"Node-7.Example", "_acme.example"}, "[Node-7.Example _acme.example] []"},
		{"no names", []string{"", ".", "a..b", "a.", "-a", "a-", "a b", "a/b", "a:1", "\x00", "\xff"}, "[] []"},
		{"length", []string{long, long + "a", strings.Join([]string{long, long, long, long}, ".")}, "[" + long + "] []"},
		{"addresses", []string{"192.0.2.1", "2001:db8::1"}, "[] [192.0.2.1 2001:db8::1]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			web := &tlsconf.WebCertificates{Key: epochKeys(t), Names: test.names}
			cert, err := web.Certificate()
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(cert.Leaf.DNSNames, cert.Leaf.IPAddresses); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestWebCertificateSurvivesARestart(t *testing.T) {
	key := epochKeys(t)
	one, err1 := (&tlsconf.WebCertificates{Key: key, Names: []string{"a.example"}}).Certificate()
	two, err2 := (&tlsconf.WebCertificates{Key: key, Names: []string{"a.example"}}).Certificate()
	if err1 != nil || err2 != nil || !bytes.Equal(one.Certificate[0], two.Certificate[0]) {
		t.Errorf("the same key gave two certificates: %v, %v", err1, err2)
	}
}

func TestWebCertificateKeyFaults(t *testing.T) {
	locked := errors.New("vault is locked")
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		key  func(uint64) (crypto.Signer, error)
		is   error
	}{
		{"error", func(uint64) (crypto.Signer, error) { return nil, locked }, locked},
		{"other curve", func(uint64) (crypto.Signer, error) { return p384, nil }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			web := &tlsconf.WebCertificates{Key: test.key}
			if _, err := web.Certificate(); err == nil || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("Certificate: got %v", err)
			}
			if _, _, err := web.Hashes(); err == nil {
				t.Error("Hashes: no error")
			}
		})
	}
}
