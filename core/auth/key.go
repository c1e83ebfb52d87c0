package auth

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

type keyKind uint8

const (
	keyNone keyKind = iota
	keyEd25519
	keySSH
	keyX509
)

const (
	prefixEd25519 = "ed25519:"
	prefixSSH     = "ssh:SHA256:"
	prefixX509    = "x509:SHA256:"
	prefixLegacy  = "SHA256:"
)

// maxKeyText bounds what ParseKey and ParsePeerKey look at, in bytes. An
// RSA-16384 public key line takes about 2800.
const maxKeyText = 16 << 10

// Key names a public key or a certificate. It is comparable and serves as a
// map key; the zero Key means that there is none, and never equals a real one.
//
// Three forms exist and none is ever equal to another:
//
//	ed25519:<64 lower-case hex>   a node key, or a plain ssh-ed25519 key
//	ssh:SHA256:<43 base64>        any other SSH key, by its blob's SHA-256
//	x509:SHA256:<64 hex>          a certificate, by the SHA-256 of its DER
//
// A FIDO key (sk-ssh-ed25519@openssh.com) takes the second form although it
// contains an Ed25519 point: what it signs differs, so it is another key.
//
// A Key says nothing about possession. Who hands one to an IdentityProvider
// must have seen a signature made with it.
type Key struct {
	kind keyKind
	sum  [32]byte
}

// ParseKey reads the forms that String writes, a node id in z-base-32, and
// SHA256:<64 hex>, an older spelling of x509:SHA256:. Hex is lower-case and
// base64 is unpadded; every key has one spelling in its form. An Ed25519 key
// must be a canonical point that is not of small order: with such a key,
// anybody can make signatures that verify.
func ParseKey(s string) (Key, error) {
	if len(s) > maxKeyText {
		return Key{}, fmt.Errorf("parse key: %d bytes are too long", len(s))
	}
	if strings.HasPrefix(s, tokenPrefix) {
		return Key{}, errors.New("parse key: this is a token, not a key (and whoever saw it should now be assumed to have it)")
	}
	k, err := parseKey(s)
	if err != nil {
		return Key{}, fmt.Errorf("parse key %q: %w", shorten(s), err)
	}
	return k, nil
}

func parseKey(s string) (Key, error) {
	switch {
	case strings.HasPrefix(s, prefixEd25519):
		sum, err := parseHex(s[len(prefixEd25519):])
		if err != nil {
			return Key{}, err
		}
		if !validPoint(&sum) {
			return Key{}, errWeakPoint
		}
		return Key{keyEd25519, sum}, nil
	case strings.HasPrefix(s, prefixSSH):
		sum, err := parseSSHDigest(s[len(prefixSSH):])
		return Key{keySSH, sum}.unless(err)
	case strings.HasPrefix(s, prefixX509):
		sum, err := parseHex(s[len(prefixX509):])
		return Key{keyX509, sum}.unless(err)
	case strings.HasPrefix(s, prefixLegacy):
		rest := s[len(prefixLegacy):]
		if _, err := parseSSHDigest(rest); err == nil {
			return Key{}, errors.New("this is what ssh-keygen -l prints; give the public key line instead, or ssh:SHA256:… when the key is not a plain ssh-ed25519 one")
		}
		sum, err := parseHex(rest)
		return Key{keyX509, sum}.unless(err)
	case len(s) == nodeIDLen:
		id, err := ParseNodeID(s)
		if err != nil {
			return Key{}, err
		}
		return id.Key(), nil
	}
	return Key{}, errors.New("not a node id, ed25519:…, ssh:SHA256:… or x509:SHA256:…")
}

func (k Key) unless(err error) (Key, error) {
	if err != nil {
		return Key{}, err
	}
	return k, nil
}

func parseHex(s string) (sum [32]byte, err error) {
	if len(s) != 64 {
		return sum, fmt.Errorf("want 64 hexadecimal digits, got %d characters", len(s))
	}
	if strings.ToLower(s) != s {
		return sum, errors.New("hexadecimal digits must be lower-case")
	}
	if _, err := hex.Decode(sum[:], []byte(s)); err != nil {
		return [32]byte{}, errors.New("not hexadecimal")
	}
	return sum, nil
}

func parseSSHDigest(s string) (sum [32]byte, err error) {
	raw, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != len(sum) || len(s) != 43 {
		return sum, errors.New("want 43 characters of unpadded base64")
	}
	return [32]byte(raw), nil
}

func shorten(s string) string {
	if len(s) > 80 {
		return s[:77] + "..."
	}
	return s
}

// Ed25519Key returns the Key of an Ed25519 public key. It returns the zero
// Key when pub is not 32 bytes long, not a canonical point, or of small order.
func Ed25519Key(pub ed25519.PublicKey) Key {
	if len(pub) != ed25519.PublicKeySize {
		return Key{}
	}
	sum := [32]byte(pub)
	if !validPoint(&sum) {
		return Key{}
	}
	return Key{keyEd25519, sum}
}

// CertificateKey returns the Key of a certificate that a TLS handshake proved
// possession of. A certificate that its own Ed25519 key signed is only an
// envelope around that key, so it gives the ed25519 form, whatever its names
// and dates say. Every other certificate, an Ed25519 one issued by a CA
// included, gives x509:SHA256: its issuer may vouch for the same key under
// other terms, and a peer entry that names a certificate means that one.
// It returns the zero Key for nil and for a certificate without its DER.
func CertificateKey(cert *x509.Certificate) Key {
	if cert == nil || len(cert.Raw) == 0 {
		return Key{}
	}
	if pub, ok := cert.PublicKey.(ed25519.PublicKey); ok && selfSigned(cert, pub) {
		return Ed25519Key(pub)
	}
	return Key{keyX509, sha256.Sum256(cert.Raw)}
}

func selfSigned(cert *x509.Certificate, pub ed25519.PublicKey) bool {
	return len(pub) == ed25519.PublicKeySize &&
		cert.SignatureAlgorithm == x509.PureEd25519 &&
		ed25519.Verify(pub, cert.RawTBSCertificate, cert.Signature)
}

// String returns the key in the form that ParseKey reads, or "" for the zero Key.
func (k Key) String() string {
	switch k.kind {
	case keyEd25519:
		return prefixEd25519 + hex.EncodeToString(k.sum[:])
	case keySSH:
		return prefixSSH + base64.RawStdEncoding.EncodeToString(k.sum[:])
	case keyX509:
		return prefixX509 + hex.EncodeToString(k.sum[:])
	}
	return ""
}

// IsZero reports whether k names no key.
func (k Key) IsZero() bool { return k == Key{} }

// Ed25519 returns the public key itself, and false when k is not of the
// ed25519 form. The slice is the caller's.
func (k Key) Ed25519() (ed25519.PublicKey, bool) {
	if k.kind != keyEd25519 {
		return nil, false
	}
	return ed25519.PublicKey(append([]byte(nil), k.sum[:]...)), true
}

// NodeID returns the key as a node id, and false when k is not of the ed25519 form.
func (k Key) NodeID() (NodeID, bool) {
	if k.kind != keyEd25519 {
		return NodeID{}, false
	}
	return NodeID(k.sum), true
}

// MarshalText writes what String returns.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what [ParsePeerKey] reads. Empty text gives the zero Key.
func (k *Key) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*k = Key{}
		return nil
	}
	if len(text) > maxKeyText {
		return fmt.Errorf("parse key: %d bytes are too long", len(text))
	}
	parsed, err := ParsePeerKey(string(text))
	if err != nil {
		return err
	}
	*k = parsed
	return nil
}
