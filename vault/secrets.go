package vault

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/alkdev/alknet/vault/internal/hd"
)

// Secret32 returns 32 secret bytes that depend on the vault and the label
// only (HKDF-SHA256, RFC 5869), for keys such as a QUIC stateless reset key or
// a TLS ticket key. The label has 1 to 64 characters of a-z, 0-9 and -. The
// caller wipes the result.
//
// It returns ErrLocked or ErrLabel.
func (v *Vault) Secret32(label string) ([32]byte, error) {
	if !validLabel(label) {
		return [32]byte{}, ErrLabel
	}
	return v.expand("alknet/secret/v1\x00" + label)
}

func (v *Vault) expand(info string) (out [32]byte, err error) {
	p, err := hd.ParsePath(PathSecrets)
	if err != nil {
		return out, err
	}
	err = v.with(AES256GCM, p, func(e *cacheEntry) error {
		b, err := hkdf.Key(sha256.New, e.private, nil, info, len(out))
		copy(out[:], b)
		clear(b)
		return err
	})
	return out, err
}

// A WebKey is an ECDSA P-256 key for a self-signed web certificate. It holds
// its own copy of the key, so it works after Lock. It serves several
// goroutines.
type WebKey struct {
	redaction
	private *ecdsa.PrivateKey
}

// WebKey returns the web key of an epoch. The caller counts epochs, one for
// each certificate; the same vault and epoch always give the same key.
//
// It returns ErrLocked.
func (v *Vault) WebKey(epoch uint64) (*WebKey, error) {
	for attempt := uint32(0); ; attempt++ {
		info := binary.BigEndian.AppendUint64([]byte("alknet/web-key/v1\x00"), epoch)
		info = binary.BigEndian.AppendUint32(info, attempt)
		candidate, err := v.expand(string(info))
		if err != nil {
			return nil, err
		}
		// A candidate of zero or beyond the group order (1 in 2^32) is
		// dropped, as in FIPS 186-5, appendix A.2.2.
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), candidate[:])
		clear(candidate[:])
		if err == nil {
			return &WebKey{redaction{fmt.Sprintf("web key of epoch %d", epoch)}, private}, nil
		}
	}
}

// Public returns the *ecdsa.PublicKey, as crypto.Signer demands.
func (k *WebKey) Public() crypto.PublicKey { return &k.private.PublicKey }

// Sign signs a digest. With a nil rand the signature is deterministic
// (RFC 6979): x509.CreateCertificate(nil, …) then gives the same certificate,
// with the same hash, each time.
func (k *WebKey) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.private.Sign(rand, digest, opts)
}
