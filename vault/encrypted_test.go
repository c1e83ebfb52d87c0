package vault_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/alkdev/alknet/vault"
)

// sealed makes an EncryptedData as other software would, with the known key of
// version 2.
func sealed(t *testing.T, plaintext string) *vault.EncryptedData {
	t.Helper()
	key, err := hex.DecodeString("fbed5fa9110df4214baa259a4cd6bd3902373231472d317b8f3686b1d63df17a")
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	iv := []byte("twelve bytes")
	return &vault.EncryptedData{Version: 2, Salt: make([]byte, 32), IV: iv, Data: gcm.Seal(nil, iv, []byte(plaintext), nil)}
}

func TestDecryptKnownKey(t *testing.T) {
	if got, err := unlocked(t, "").Decrypt(sealed(t, "from elsewhere")); err != nil || string(got) != "from elsewhere" {
		t.Errorf("Decrypt = %q, %v", got, err)
	}
	if _, err := unlocked(t, "").Decrypt(sealed(t, "\xff")); !errors.Is(err, vault.ErrNotText) {
		t.Errorf("plaintext that is not UTF-8: %v", err)
	}
}

func TestStoredBlobs(t *testing.T) {
	raw, err := os.ReadFile("testdata/vectors/encrypted.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Blobs []struct {
			Plaintext string
			Blob      vault.EncryptedData
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Blobs) < 3 {
		t.Fatalf("%d blobs", len(file.Blobs))
	}
	v := unlocked(t, "")
	for _, c := range file.Blobs {
		if got, err := v.Decrypt(&c.Blob); err != nil || string(got) != c.Plaintext {
			t.Errorf("version %d: %q, %v; want %q", c.Blob.Version, got, err, c.Plaintext)
		}
	}
}

func TestEncryptAndRotate(t *testing.T) {
	v := unlocked(t, "")
	for _, text := range []string{"", "sk-123", "schlüssel 🔑"} {
		d, err := v.Encrypt([]byte(text), vault.KeyVersion)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := v.Encrypt([]byte(text), vault.KeyVersion)
		if string(d.IV) == string(again.IV) || string(d.Data) == string(again.Data) {
			t.Error("two values share an IV")
		}
		rotated, err := v.Rotate(d, 3)
		if err != nil || rotated.Version != 3 {
			t.Fatalf("Rotate: %v", err)
		}
		for _, d := range []*vault.EncryptedData{d, rotated} {
			if got, err := v.Decrypt(d); err != nil || string(got) != text {
				t.Errorf("version %d: %q, %v", d.Version, got, err)
			}
		}
		rotated.Version = 2 // unauthenticated, but it selects another key
		if _, err := v.Decrypt(rotated); !errors.Is(err, vault.ErrDecrypt) {
			t.Errorf("changed version: %v", err)
		}
		if _, err := unlocked(t, "other").Decrypt(d); !errors.Is(err, vault.ErrDecrypt) {
			t.Errorf("another vault: %v", err)
		}
		d.Data[0] ^= 1
		if _, err := v.Rotate(d, 3); !errors.Is(err, vault.ErrDecrypt) {
			t.Errorf("changed data: %v", err)
		}
	}
}

func TestEncryptRefuses(t *testing.T) {
	v := unlocked(t, "")
	for _, c := range []struct {
		name      string
		plaintext string
		version   uint32
		want      error
	}{
		{"version 0", "x", 0, vault.ErrKeyVersion},
		{"version 1", "x", 1, vault.ErrKeyVersion},
		{"last version", "x", 1<<31 + 1, nil},
		{"beyond the last path", "x", 1<<31 + 2, vault.ErrKeyVersion},
		{"largest number", "x", math.MaxUint32, vault.ErrKeyVersion},
		{"not text", "\xff", 2, vault.ErrNotText},
		{"longest", strings.Repeat("x", vault.MaxPlaintext), 2, nil},
		{"too long", strings.Repeat("x", vault.MaxPlaintext+1), 2, vault.ErrTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := v.Encrypt([]byte(c.plaintext), c.version); !errors.Is(err, c.want) {
				t.Errorf("error = %v, want %v", err, c.want)
			}
		})
	}
}

func TestDecryptChecksLengths(t *testing.T) {
	v := unlocked(t, "")
	for name, change := range map[string]func(*vault.EncryptedData){
		"short IV":   func(d *vault.EncryptedData) { d.IV = d.IV[:11] },
		"long IV":    func(d *vault.EncryptedData) { d.IV = append(d.IV, 0) },
		"no IV":      func(d *vault.EncryptedData) { d.IV = nil },
		"short salt": func(d *vault.EncryptedData) { d.Salt = d.Salt[:31] },
		"short data": func(d *vault.EncryptedData) { d.Data = d.Data[:15] },
		"huge data":  func(d *vault.EncryptedData) { d.Data = make([]byte, vault.MaxPlaintext+17) },
	} {
		d := sealed(t, "x")
		change(d)
		if _, err := v.Decrypt(d); !errors.Is(err, vault.ErrBlob) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := json.Marshal(d); !errors.Is(err, vault.ErrBlob) {
			t.Errorf("%s: Marshal: %v", name, err)
		}
	}
	if _, err := v.Decrypt(nil); !errors.Is(err, vault.ErrBlob) {
		t.Errorf("nil: %v", err)
	}
}

func TestEncryptedDataJSON(t *testing.T) {
	d := sealed(t, "x")
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.StdEncoding.EncodeToString
	want := `{"key_version":2,"salt":"` + b64(d.Salt) + `","iv":"` + b64(d.IV) + `","data":"` + b64(d.Data) + `"}`
	if string(text) != want {
		t.Errorf("JSON = %s, want %s", text, want)
	}
	good := string(text)
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"as written", good, nil},
		{"white space", " " + strings.ReplaceAll(good, ",", " ,\n") + "\n", nil},
		{"escaped solidus", strings.ReplaceAll(good, "/", `\/`), nil},
		{"null", "null", vault.ErrBlob},
		{"array", "[]", vault.ErrBlob},
		{"version 1", strings.Replace(good, ":2", ":1", 1), vault.ErrKeyVersion},
		{"negative version", strings.Replace(good, ":2", ":-2", 1), vault.ErrBlob},
		{"fractional version", strings.Replace(good, ":2", ":2.0", 1), vault.ErrBlob},
		{"version as text", strings.Replace(good, ":2", `:"2"`, 1), vault.ErrBlob},
		{"camel case", strings.Replace(good, "key_version", "keyVersion", 1), vault.ErrBlob},
		{"capitals", strings.Replace(good, `"iv"`, `"IV"`, 1), vault.ErrBlob},
		{"missing salt", strings.Replace(good, `"salt":"`+b64(d.Salt)+`",`, "", 1), vault.ErrBlob},
		{"field twice", strings.Replace(good, "{", `{"iv":"`+b64(d.IV)+`",`, 1), vault.ErrBlob},
		{"unknown field", strings.Replace(good, "{", `{"aad":"",`, 1), vault.ErrBlob},
		{"no padding", strings.ReplaceAll(good, "=", ""), vault.ErrBlob},
		{"byte array", strings.Replace(good, `"`+b64(d.IV)+`"`, "[1,2,3,4,5,6,7,8,9,10,11,12]", 1), vault.ErrBlob},
		{"null field", strings.Replace(good, `"`+b64(d.IV)+`"`, "null", 1), vault.ErrBlob},
		{"line break in base64", strings.Replace(good, b64(d.IV), b64(d.IV)[:4]+`\n`+b64(d.IV)[4:], 1), vault.ErrBlob},
		{"spare bits in base64", strings.Replace(good, "AA=\",\"iv", "AB=\",\"iv", 1), vault.ErrBlob},
		{"short iv", strings.Replace(good, b64(d.IV), b64(d.IV[:9]), 1), vault.ErrBlob},
		{"trailing text", good + "x", vault.ErrBlob},
	} {
		t.Run(c.name, func(t *testing.T) {
			var read vault.EncryptedData
			err := read.UnmarshalJSON([]byte(c.text))
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Fatalf("error = %v, want %v", err, c.want)
			}
			if err == nil && string(read.Data) != string(d.Data) {
				t.Error("data changed")
			}
		})
	}
}
