package vault

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/alkdev/alknet/vault/internal/hd"
)

// A KeyType says what a derived key is for. Its names in text and JSON are
// Ed25519, Aes256Gcm and Secp256k1.
type KeyType uint8

const (
	Ed25519   KeyType = iota + 1 // SLIP-0010; every level of the path is hardened
	AES256GCM                    // the private bytes of the SLIP-0010 key at the path
	Secp256k1                    // BIP-32
)

// String returns the name of the type.
func (t KeyType) String() string {
	switch t {
	case Ed25519:
		return "Ed25519"
	case AES256GCM:
		return "Aes256Gcm"
	case Secp256k1:
		return "Secp256k1"
	}
	return fmt.Sprintf("KeyType(%d)", uint8(t))
}

// MarshalText writes the name of the type.
func (t KeyType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Derivation paths. Coin type 74' is alknet's; account 1' stays unused, because
// an ancestor of this project derived site passwords there.
const (
	PathIdentity = "m/74'/0'/0'/0'"   // the node key, Ed25519
	PathSSHHost  = "m/74'/0'/1'/0'"   // the SSH host key, Ed25519
	PathCipher   = "m/74'/2'/0'/0'"   // the AES key of EncryptedData version 2; version v is at index v-2
	PathSecrets  = "m/74'/3'/0'/0'"   // the root of Secret32 and WebKey
	PathEthereum = "m/44'/60'/0'/0/0" // the first Ethereum account, secp256k1
)

// DevicePath returns the path of device n under the identity account; device 0
// is PathIdentity. n must be below 2^31.
func DevicePath(n uint32) string { return "m/74'/0'/0'/" + strconv.FormatUint(uint64(n), 10) + "'" }

func cipherPath(version uint32) (hd.Path, error) {
	if version < firstKeyVersion || version-firstKeyVersion >= hd.Hardened {
		return nil, ErrKeyVersion
	}
	return hd.Path{74 | hd.Hardened, 2 | hd.Hardened, hd.Hardened, (version - firstKeyVersion) | hd.Hardened}, nil
}

func reserved(p hd.Path) bool { return p.Within(hd.Path{74 | hd.Hardened}) }

// A DerivedKey is a key that Derive made. It prints as its type, path and
// public half; JSON shows the private half as "[REDACTED]" and cannot be
// decoded again. It is not safe for concurrent use with Destroy.
type DerivedKey struct {
	redaction
	kind    KeyType
	path    string
	public  []byte
	private *sensitive // nil under m/74'
}

// Derive returns the key of the given type at a path such as "m/44'/0'/0'".
// Under m/74' only the public half is to be had.
//
// It returns ErrLocked or a *PathError.
func (v *Vault) Derive(kind KeyType, path string) (*DerivedKey, error) {
	if kind < Ed25519 || kind > Secp256k1 {
		return nil, fmt.Errorf("derive key: unknown type %v", kind)
	}
	p, err := hd.ParsePath(path)
	if err != nil {
		return nil, err
	}
	k := &DerivedKey{kind: kind, path: p.String()}
	err = v.with(kind, p, func(e *cacheEntry) error {
		k.public = bytes.Clone(e.public)
		if !reserved(p) {
			k.private = keep(e.private[:32])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	k.label = fmt.Sprintf("%v key at %s (public %x, private %s)", k.kind, k.path, k.public, redacted)
	return k, nil
}

// Type returns the type of the key.
func (k *DerivedKey) Type() KeyType { return k.kind }

// Path returns the canonical path of the key.
func (k *DerivedKey) Path() string { return k.path }

// Public returns the public key: 32 bytes for Ed25519, 33 (compressed) for
// secp256k1, nil for AES.
func (k *DerivedKey) Public() []byte { return k.public }

// Private returns the 32 private bytes (an RFC 8032 seed for Ed25519), which
// belong to the key and vanish with Destroy. It returns ErrReserved for paths
// under m/74'.
func (k *DerivedKey) Private() ([]byte, error) {
	if k.private == nil {
		return nil, ErrReserved
	}
	return k.private.b, nil
}

// Destroy overwrites the private half.
func (k *DerivedKey) Destroy() { k.private.wipe() }

// MarshalJSON writes type, path and public half.
func (k DerivedKey) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Type    KeyType `json:"key_type"`
		Path    string  `json:"path"`
		Private string  `json:"private_key"`
		Public  string  `json:"public_key"`
	}{k.kind, k.path, redacted, hex.EncodeToString(k.public)})
}

// UnmarshalJSON always returns ErrRedacted.
func (k *DerivedKey) UnmarshalJSON([]byte) error { return ErrRedacted }
