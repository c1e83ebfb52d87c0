package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func FuzzEncryptedDataJSON(f *testing.F) {
	f.Add([]byte(`{"key_version":2,"salt":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","iv":"AAAAAAAAAAAAAAAA","data":"AAAAAAAAAAAAAAAAAAAAAA=="}`))
	f.Add([]byte(`{"key_version":1,"salt":"","iv":"","data":""}`))
	f.Add([]byte(`{"KEY_VERSION":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var d EncryptedData
		if err := d.UnmarshalJSON(text); err != nil {
			if !errors.Is(err, ErrBlob) && !errors.Is(err, ErrKeyVersion) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatalf("accepted what cannot be written: %v", err)
		}
		var e EncryptedData
		if err := json.Unmarshal(again, &e); err != nil || e.Version != d.Version ||
			!bytes.Equal(e.Salt, d.Salt) || !bytes.Equal(e.IV, d.IV) || !bytes.Equal(e.Data, d.Data) {
			t.Fatalf("%s → %s (%v)", text, again, err)
		}
	})
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte(`{"version":1,"mnemonic":"` + words + `","passphrase":"TREZOR","created":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"mnemonic":null}`))
	f.Fuzz(func(t *testing.T, plaintext []byte) {
		held, err := decodeDocument(plaintext)
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		v := &Vault{held: held}
		again, err := v.plaintext()
		if err != nil {
			return // a year beyond 9999
		}
		read, err := decodeDocument(again)
		if err != nil || !bytes.Equal(read.phrase, held.phrase) || !bytes.Equal(read.passphrase, held.passphrase) {
			t.Fatalf("%s → %s (%v)", plaintext, again, err)
		}
	})
}

// The committed corpus is sealed to this identity, which opens nothing else.
const fuzzIdentity = "AGE-SECRET-KEY-1H23LYF8TRCDC7D77KCK3UUGP9MFTMFM6LXSZTS2XWSJU2JUEGUCQP9DRC8"

func FuzzSealedFile(f *testing.F) {
	key := filepath.Join(f.TempDir(), "key")
	if err := os.WriteFile(key, []byte(fuzzIdentity), 0o600); err != nil {
		f.Fatal(err)
	}
	seal := KeyFile(key)
	whole, err := seal.wrap([]byte(`{"version":1,"mnemonic":"` + words + `","created":"2026-01-02T03:04:05Z"}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("age-encryption.org/v1\n-> scrypt c2FsdHNhbHRzYWx0c2FsdA 22\nAAAA\n--- AAAA\n"))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		plaintext, err := seal.unwrap(sealed)
		if err != nil {
			for _, typed := range []error{ErrDamaged, ErrWrongSeal, ErrWrongKeyFile} {
				if errors.Is(err, typed) {
					return
				}
			}
			t.Fatalf("untyped error %v", err)
		}
		if len(plaintext) > maxFileSize {
			t.Fatalf("%d bytes of plaintext", len(plaintext))
		}
	})
}
