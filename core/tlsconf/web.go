package tlsconf

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	// WebValidity is how long a self-signed web certificate is valid. The
	// certificate hashes of WebTransport allow less than 14 days.
	WebValidity = 13 * 24 * time.Hour
	// WebBackdate is how far a certificate's validity starts before its first
	// use, for clients whose clock is slow.
	WebBackdate = time.Hour
	// WebRotation is how long a certificate is in use: an epoch.
	WebRotation = WebValidity / 2
)

// WebCertificates makes self-signed certificates on ECDSA P-256, one for each
// epoch of WebRotation since 1970. The same key and names give the same
// certificate, byte for byte, so that its hash can be published before it is in
// use and outlives a restart. Methods may be called concurrently.
type WebCertificates struct {
	// Key returns the key of an epoch: a P-256 key that signs by RFC 6979
	// when it is given no randomness, as *ecdsa.PrivateKey does. Required.
	Key func(epoch uint64) (crypto.Signer, error)
	// Names are the host names and IP addresses that the certificates carry.
	// What is neither is left out, as a machine's name may be: a certificate
	// has room for ASCII only, so an international name goes in as xn--.
	Names []string
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	mu      sync.Mutex // protects what follows
	current *webCertificate
	next    *webCertificate
}

// A CertificateHash identifies a self-signed web certificate, as the
// serverCertificateHashes of WebTransport do.
type CertificateHash struct {
	SHA256    [32]byte  // of the DER certificate
	NotBefore time.Time // start of validity, WebBackdate before its first use
	NotAfter  time.Time // end of validity
}

type webCertificate struct {
	epoch uint64
	cert  tls.Certificate
	hash  CertificateHash
}

// Certificate returns the certificate in use now.
func (w *WebCertificates) Certificate() (*tls.Certificate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.advance(); err != nil {
		return nil, err
	}
	return &w.current.cert, nil
}

// Hashes returns the hash of the certificate in use and that of the next one.
func (w *WebCertificates) Hashes() (current, next CertificateHash, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.advance(); err != nil {
		return CertificateHash{}, CertificateHash{}, err
	}
	if w.next == nil || w.next.epoch != w.current.epoch+1 {
		if w.next, err = w.make(w.current.epoch + 1); err != nil {
			return CertificateHash{}, CertificateHash{}, err
		}
	}
	return w.current.hash, w.next.hash, nil
}

func (w *WebCertificates) advance() error {
	now := time.Now
	if w.Now != nil {
		now = w.Now
	}
	epoch := uint64(max(0, now().Unix())) / uint64(WebRotation/time.Second)
	if w.current != nil && w.current.epoch == epoch {
		return nil
	}
	if w.next != nil && w.next.epoch == epoch {
		w.current, w.next = w.next, nil
		return nil
	}
	made, err := w.make(epoch)
	if err != nil {
		return err
	}
	w.current = made
	return nil
}

func (w *WebCertificates) make(epoch uint64) (*webCertificate, error) {
	key, err := w.Key(epoch)
	if err != nil {
		return nil, fmt.Errorf("make web certificate: %w", err)
	}
	public, ok := key.Public().(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, errors.New("make web certificate: its key must be ECDSA P-256, which browsers accept")
	}
	template := w.template(epoch)
	der, err := x509.CreateCertificate(nil, template, template, public, key)
	if err != nil {
		return nil, fmt.Errorf("make web certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make web certificate: %w", err)
	}
	return &webCertificate{
		epoch: epoch,
		cert:  tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf},
		hash:  CertificateHash{sha256.Sum256(der), leaf.NotBefore, leaf.NotAfter},
	}, nil
}

func (w *WebCertificates) template(epoch uint64) *x509.Certificate {
	start := time.Unix(int64(epoch)*int64(WebRotation/time.Second), 0).UTC().Add(-WebBackdate)
	t := &x509.Certificate{
		SerialNumber: new(big.Int).SetUint64(epoch + 1),
		Subject:      pkix.Name{CommonName: "alknet"},
		NotBefore:    start,
		// Both ends of the validity belong to it (RFC 5280, section 4.1.2.5).
		NotAfter:              start.Add(WebValidity - time.Second),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, name := range w.Names {
		if ip, err := netip.ParseAddr(name); err == nil {
			t.IPAddresses = append(t.IPAddresses, ip.AsSlice())
		} else if isDNSName(name) {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	return t
}

// isDNSName reports whether name has the preferred syntax (RFC 1034, section
// 3.5; RFC 1123, section 2.1), underscores and a first label "*" allowed.
func isDNSName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimPrefix(name, "*."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			default:
				return false
			}
		}
	}
	return true
}
