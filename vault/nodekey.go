package vault

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"fmt"
	"io"
	"strings"

	"github.com/alkdev/alknet/vault/internal/hd"
)

// A NodeKey is the identity of a node: an Ed25519 key that signs for four
// purposes, each behind its own method, and never raw bytes of the caller's
// choice. The inputs of no two purposes can be equal, because they differ in
// the first byte:
//
//	Sign         TLS 1.3 CertificateVerify   64 spaces, then its context string
//	Certificate  X.509 TBSCertificate        a DER SEQUENCE, 0x30 ('0')
//	SignItem     BEP 44 mutable item         "4:salt" or "3:seq"
//	SignMessage  alknet message              "alknet/<purpose>/v1\x00"
//
// It serves several goroutines. While its vault is locked, every method but
// Public returns ErrLocked.
type NodeKey struct {
	redaction
	vault  *Vault
	path   hd.Path
	public ed25519.PublicKey
}

// NodeKey returns the identity key of this node (PathIdentity), or ErrLocked.
func (v *Vault) NodeKey() (*NodeKey, error) {
	path, public, err := v.ed25519Public(PathIdentity)
	if err != nil {
		return nil, err
	}
	return &NodeKey{redaction{fmt.Sprintf("node key ed25519:%x", []byte(public))}, v, path, public}, nil
}

func (v *Vault) ed25519Public(path string) (hd.Path, ed25519.PublicKey, error) {
	p, err := hd.ParsePath(path)
	if err != nil {
		return nil, nil, err
	}
	var public ed25519.PublicKey
	err = v.with(Ed25519, p, func(e *cacheEntry) error {
		public = bytes.Clone(e.public)
		return nil
	})
	return p, public, err
}

// Public returns the ed25519.PublicKey, as crypto.Signer demands.
func (k *NodeKey) Public() crypto.PublicKey { return k.public }

// Sign makes a TLS 1.3 CertificateVerify signature (RFC 8446, section 4.4.3),
// so that a NodeKey can be the PrivateKey of a tls.Certificate. The message
// must be the whole input of that section, as crypto/tls passes it to Ed25519
// keys; anything else, TLS 1.2 included, is ErrPurpose. rand is not used.
func (k *NodeKey) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if !pureEd25519(opts) || !isCertificateVerify(message) {
		return nil, fmt.Errorf("sign TLS handshake: %w", ErrPurpose)
	}
	return k.sign(message)
}

// SignMessage signs data under a purpose, which must be 1 to 64 characters of
// a-z, 0-9 and -: the input is "alknet/<purpose>/v1", a zero byte, and data
// (at most 1 MiB). VerifyMessage checks it.
//
// It returns ErrLocked, ErrLabel or ErrTooLong.
func (k *NodeKey) SignMessage(purpose string, data []byte) ([]byte, error) {
	input, err := messageInput(purpose, data)
	if err != nil {
		return nil, fmt.Errorf("sign message: %w", err)
	}
	return k.sign(input)
}

// VerifyMessage reports whether signature is a SignMessage signature of the
// node key public over data, made for this purpose.
func VerifyMessage(public ed25519.PublicKey, purpose string, data, signature []byte) bool {
	input, err := messageInput(purpose, data)
	return err == nil && len(public) == ed25519.PublicKeySize && ed25519.Verify(public, input, signature)
}

// sign is the only use of the private key; its callers have built or checked
// the input.
func (k *NodeKey) sign(input []byte) (signature []byte, err error) {
	err = k.vault.with(Ed25519, k.path, func(e *cacheEntry) error {
		// Another secret may have been unlocked since this key was made.
		if !bytes.Equal(e.public, k.public) {
			return ErrLocked
		}
		signature = ed25519.Sign(e.private, input)
		return nil
	})
	return signature, err
}

const maxMessage = 1 << 20

func messageInput(purpose string, data []byte) ([]byte, error) {
	if !validLabel(purpose) {
		return nil, ErrLabel
	}
	if len(data) > maxMessage {
		return nil, ErrTooLong
	}
	return append([]byte("alknet/"+purpose+"/v1\x00"), data...), nil
}

func validLabel(s string) bool {
	if len(s) < 1 || len(s) > 64 {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) < 0
}

func pureEd25519(opts crypto.SignerOpts) bool {
	if opts == nil || opts.HashFunc() != 0 {
		return false
	}
	o, ok := opts.(*ed25519.Options)
	return !ok || o.Context == ""
}

// isCertificateVerify checks the form of RFC 8446, section 4.4.3: 64 spaces, a
// context string, a zero byte, and a SHA-256 or SHA-384 transcript hash.
func isCertificateVerify(m []byte) bool {
	rest, ok := bytes.CutPrefix(m, bytes.Repeat([]byte{' '}, 64))
	if !ok {
		return false
	}
	for _, context := range []string{"TLS 1.3, server CertificateVerify\x00", "TLS 1.3, client CertificateVerify\x00"} {
		if hash, ok := bytes.CutPrefix(rest, []byte(context)); ok {
			return len(hash) == 32 || len(hash) == 48
		}
	}
	return false
}
