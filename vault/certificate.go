package vault

import (
	"crypto/sha256"
	"encoding/asn1"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// The certificate is written here rather than by crypto/x509, which would link
// the network packages into the vault.

var (
	oidEd25519          = asn1.ObjectIdentifier{1, 3, 101, 112} // RFC 8410
	oidCommonName       = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidServerAuth       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	oidClientAuth       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
)

// Certificate returns the self-signed X.509 certificate (RFC 5280, DER) of the
// node key, for the Certificate field of a tls.Certificate whose PrivateKey is
// the NodeKey. It names no host and serves servers and clients; its dates
// (2000 to 9999) say nothing, because peers pin the key. The same key always
// gives the same bytes.
//
// It returns ErrLocked.
func (k *NodeKey) Certificate() ([]byte, error) {
	tbs, err := k.tbsCertificate()
	if err != nil {
		return nil, err
	}
	signature, err := k.sign(tbs)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		addAlgorithm(b)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

func (k *NodeKey) tbsCertificate() ([]byte, error) {
	serial := sha256.Sum256(k.public)
	serial[0] = serial[0]&0x7f | 0x40 // positive, and no leading zero byte (RFC 5280, section 4.1.2.2)
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(der.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) }) // v3
		b.AddASN1(der.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(serial[:16]) })
		addAlgorithm(b)
		addName(b)
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1UTCTime(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
			b.AddASN1GeneralizedTime(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)) // "no expiry" (section 4.1.2.5)
		})
		addName(b)
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			addAlgorithm(b)
			b.AddASN1BitString(k.public)
		})
		b.AddASN1(der.Tag(3).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, addExtensions)
		})
	})
	return b.Bytes()
}

func addAlgorithm(b *cryptobyte.Builder) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidEd25519) })
}

func addName(b *cryptobyte.Builder) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidCommonName)
				b.AddASN1(der.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte("alknet node")) })
			})
		})
	})
}

func addExtensions(b *cryptobyte.Builder) {
	addExtension(b, oidKeyUsage, true, func(b *cryptobyte.Builder) {
		b.AddASN1(der.BIT_STRING, func(b *cryptobyte.Builder) { b.AddBytes([]byte{7, 0x80}) }) // digitalSignature
	})
	addExtension(b, oidBasicConstraints, true, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(*cryptobyte.Builder) {}) // not a CA
	})
	addExtension(b, oidExtKeyUsage, false, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidServerAuth)
			b.AddASN1ObjectIdentifier(oidClientAuth)
		})
	})
}

func addExtension(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, critical bool, value cryptobyte.BuilderContinuation) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(der.OCTET_STRING, value)
	})
}
