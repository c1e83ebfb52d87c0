package vault

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// KeyVersion is the version that new values are encrypted with.
	KeyVersion = 2

	// MaxPlaintext is the longest text that Encrypt takes, in bytes.
	MaxPlaintext = 1 << 20

	firstKeyVersion = 2
	saltSize        = 32
	ivSize          = 12
	tagSize         = 16
)

// EncryptedData is a text encrypted with AES-256-GCM under a key of the vault.
// It is safe to store and to log. Its JSON form is frozen: the fields
// key_version (number), salt, iv and data (standard base64 with padding).
type EncryptedData struct {
	Version uint32 // selects the key; at least 2
	Salt    []byte // 32 bytes, unused, kept for compatibility
	IV      []byte // 12 bytes
	Data    []byte // ciphertext, then the 16-byte tag
}

// Encrypt encrypts UTF-8 text with the key of a version; KeyVersion is the
// usual one. A key serves 2^32 values at most, after which Rotate is due.
//
// It returns ErrLocked, ErrKeyVersion, ErrNotText or ErrTooLong.
func (v *Vault) Encrypt(plaintext []byte, version uint32) (*EncryptedData, error) {
	if len(plaintext) > MaxPlaintext {
		return nil, fmt.Errorf("encrypt value: %w: %d bytes, at most %d", ErrTooLong, len(plaintext), MaxPlaintext)
	}
	if !utf8.Valid(plaintext) {
		return nil, ErrNotText
	}
	d := &EncryptedData{Version: version, Salt: make([]byte, saltSize), IV: make([]byte, ivSize)}
	if _, err := rand.Read(d.Salt); err != nil {
		return nil, fmt.Errorf("encrypt value: %w", err)
	}
	if _, err := rand.Read(d.IV); err != nil {
		return nil, fmt.Errorf("encrypt value: %w", err)
	}
	err := v.withCipher(version, func(gcm cipher.AEAD) error {
		d.Data = gcm.Seal(nil, d.IV, plaintext, nil)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Decrypt returns the text of d. The caller wipes it.
//
// It returns ErrLocked, ErrBlob, ErrKeyVersion, ErrDecrypt or ErrNotText.
func (v *Vault) Decrypt(d *EncryptedData) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	var plaintext []byte
	err := v.withCipher(d.Version, func(gcm cipher.AEAD) error {
		var err error
		if plaintext, err = gcm.Open(nil, d.IV, d.Data, nil); err != nil {
			return ErrDecrypt
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(plaintext) {
		clear(plaintext)
		return nil, ErrNotText
	}
	return plaintext, nil
}

// Rotate returns the same text encrypted with the key of another version. The
// recovery words stay the same, and d stays valid: storing the result is the
// caller's part. Its errors are those of Decrypt and Encrypt.
func (v *Vault) Rotate(d *EncryptedData, version uint32) (*EncryptedData, error) {
	plaintext, err := v.Decrypt(d)
	if err != nil {
		return nil, err
	}
	defer clear(plaintext)
	return v.Encrypt(plaintext, version)
}

func (v *Vault) withCipher(version uint32, f func(cipher.AEAD) error) error {
	p, err := cipherPath(version)
	if err != nil {
		return err
	}
	return v.with(AES256GCM, p, func(e *cacheEntry) error {
		block, err := aes.NewCipher(e.private)
		if err != nil {
			return err
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return err
		}
		return f(gcm)
	})
}

func (d *EncryptedData) check() error {
	switch {
	case d == nil:
		return fmt.Errorf("%w: it is nil", ErrBlob)
	case len(d.Salt) != saltSize:
		return fmt.Errorf("%w: salt of %d bytes, must be %d", ErrBlob, len(d.Salt), saltSize)
	case len(d.IV) != ivSize:
		return fmt.Errorf("%w: iv of %d bytes, must be %d", ErrBlob, len(d.IV), ivSize)
	case len(d.Data) < tagSize || len(d.Data) > MaxPlaintext+tagSize:
		return fmt.Errorf("%w: data of %d bytes, must be %d to %d", ErrBlob, len(d.Data), tagSize, MaxPlaintext+tagSize)
	}
	_, err := cipherPath(d.Version)
	return err
}

// MarshalJSON writes the frozen form. It returns ErrBlob or ErrKeyVersion for
// a value that Decrypt would refuse.
func (d EncryptedData) MarshalJSON() ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Version uint32 `json:"key_version"`
		Salt    []byte `json:"salt"`
		IV      []byte `json:"iv"`
		Data    []byte `json:"data"`
	}{d.Version, d.Salt, d.IV, d.Data})
}

// UnmarshalJSON reads the frozen form and nothing else: exactly the four
// fields, once each. It returns ErrBlob or ErrKeyVersion.
func (d *EncryptedData) UnmarshalJSON(text []byte) error {
	fields, err := exactFields(text, "key_version", "salt", "iv", "data")
	if err != nil {
		return err
	}
	var read EncryptedData
	n, err := strconv.ParseUint(string(fields["key_version"]), 10, 32)
	if err != nil {
		return fmt.Errorf("%w: key_version must be a whole number", ErrBlob)
	}
	read.Version = uint32(n)
	for name, to := range map[string]*[]byte{"salt": &read.Salt, "iv": &read.IV, "data": &read.Data} {
		if *to, err = strictBase64(fields[name]); err != nil {
			return fmt.Errorf("%w: %s must be standard base64 with padding", ErrBlob, name)
		}
	}
	if err := read.check(); err != nil {
		return err
	}
	*d = read
	return nil
}

// exactFields splits a JSON object. encoding/json alone would take a field
// twice or in another case.
func exactFields(text []byte, names ...string) (map[string]json.RawMessage, error) {
	if !json.Valid(text) {
		return nil, fmt.Errorf("%w: broken JSON", ErrBlob)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%w: not a JSON object", ErrBlob)
	}
	fields := make(map[string]json.RawMessage, len(names))
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, fmt.Errorf("%w: broken JSON", ErrBlob)
		}
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("%w: a field comes twice", ErrBlob)
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("%w: broken JSON", ErrBlob)
		}
		fields[name] = raw
		if len(fields) > len(names) {
			break
		}
	}
	for _, name := range names {
		if fields[name] == nil {
			return nil, fmt.Errorf("%w: field %s is missing", ErrBlob, name)
		}
	}
	if len(fields) != len(names) {
		return nil, fmt.Errorf("%w: unknown field", ErrBlob)
	}
	return fields, nil
}

func strictBase64(raw json.RawMessage) ([]byte, error) {
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	if s == nil || strings.ContainsAny(*s, "\r\n") {
		return nil, ErrBlob
	}
	return base64.StdEncoding.Strict().DecodeString(*s)
}
