package vault_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/alkdev/alknet/vault"
)

const phrase = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"

func unlocked(t testing.TB, passphrase string) *vault.Vault {
	t.Helper()
	v := vault.New()
	if err := v.Unlock(phrase, passphrase); err != nil {
		t.Fatal(err)
	}
	return v
}

func nodePublic(t testing.TB, v *vault.Vault) string {
	t.Helper()
	k, err := v.Derive(vault.Ed25519, vault.PathIdentity)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(k.Public())
}

func TestKnownKeys(t *testing.T) {
	for _, c := range []struct {
		name, passphrase string
		kind             vault.KeyType
		path, public     string
	}{
		{"identity", "", vault.Ed25519, vault.PathIdentity, "e78c2766a792f09bfccb51493968ac322283e8d021a30063784d806929762ecc"},
		{"identity, TREZOR", "TREZOR", vault.Ed25519, vault.PathIdentity, "51d5edf75f95a8457f4877803cf7bf72fdafe60b5da3190f91a3d9e5f9c7d96a"},
		{"device 0", "", vault.Ed25519, vault.DevicePath(0), "e78c2766a792f09bfccb51493968ac322283e8d021a30063784d806929762ecc"},
		{"device 1", "", vault.Ed25519, vault.DevicePath(1), "733961f7573657324f22e91f06ea4f0b359e2efa0ccffc954616dadee7444daa"},
		{"SSH host", "", vault.Ed25519, vault.PathSSHHost, "6a9dd5c41915fba6cc22b8760263aba45b068cae7bead1d069c7b8eeb0118134"},
		{"Ethereum", "", vault.Secp256k1, vault.PathEthereum, "0237b0bb7a8288d38ed49a524b5dc98cff3eb5ca824c9f9dc0dfdb3d9cd600f299"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := unlocked(t, c.passphrase).Derive(c.kind, c.path)
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(k.Public()); got != c.public {
				t.Errorf("public = %s, want %s", got, c.public)
			}
		})
	}
}

func TestLockedVaultKnowsNothing(t *testing.T) {
	v := vault.New()
	check := func(t *testing.T) {
		t.Helper()
		if v.Unlocked() {
			t.Error("Unlocked is true")
		}
		_, words := v.Words()
		_, derive := v.Derive(vault.Ed25519, "m/0'")
		_, node := v.NodeKey()
		_, host := v.SSHHostKey()
		_, web := v.WebKey(1)
		_, secret := v.Secret32("a")
		_, encrypt := v.Encrypt([]byte("a"), vault.KeyVersion)
		for name, err := range map[string]error{
			"Words": words, "Derive": derive, "NodeKey": node, "SSHHostKey": host, "WebKey": web, "Secret32": secret, "Encrypt": encrypt,
		} {
			if !errors.Is(err, vault.ErrLocked) {
				t.Errorf("%s: %v, want ErrLocked", name, err)
			}
		}
	}
	check(t)
	if err := v.Unlock(phrase, ""); err != nil {
		t.Fatal(err)
	}
	node, err := v.NodeKey()
	if err != nil {
		t.Fatal(err)
	}
	host, err := v.SSHHostKey()
	if err != nil {
		t.Fatal(err)
	}
	v.Lock()
	v.Lock()
	check(t)
	if _, err := node.SignMessage("test", nil); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("node key of a locked vault: %v", err)
	}
	// A key belongs to the secret it was made from, even on the same Vault.
	if err := v.Unlock(phrase, "another"); err != nil {
		t.Fatal(err)
	}
	if _, err := node.SignMessage("test", nil); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("node key of another secret: %v", err)
	}
	if _, err := host.Sign(nil, nil, pure); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("host key of another secret: %v", err)
	}
}

func TestUnlock(t *testing.T) {
	v := vault.New()
	words, err := v.UnlockNew(15)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(strings.Fields(words.Reveal())); got != 15 {
		t.Errorf("%d words, want 15", got)
	}
	if err := v.Unlock(phrase, ""); !errors.Is(err, vault.ErrUnlocked) {
		t.Errorf("second Unlock: %v", err)
	}
	if _, err := v.UnlockNew(12); !errors.Is(err, vault.ErrUnlocked) {
		t.Errorf("second UnlockNew: %v", err)
	}
	again := vault.New()
	if err := again.Unlock(words.Reveal(), ""); err != nil {
		t.Fatal(err)
	}
	if nodePublic(t, v) != nodePublic(t, again) {
		t.Error("the words do not restore the node key")
	}
	words.Destroy()
	if words.Reveal() != "" {
		t.Error("Destroy left the words")
	}
	if kept, err := v.Words(); err != nil || len(strings.Fields(kept.Reveal())) != 15 {
		t.Errorf("Words after Destroy of another copy: %v", err)
	}
}

func TestUnlockRefuses(t *testing.T) {
	v := vault.New()
	var word *vault.WordError
	var count *vault.WordCountError
	if err := v.Unlock(strings.Replace(phrase, "about", "abuot", 1), ""); !errors.As(err, &word) || word.Position != 12 || word.Suggestion != "about" {
		t.Errorf("wrong word: %v", err)
	}
	if err := v.Unlock("abandon", ""); !errors.As(err, &count) {
		t.Errorf("one word: %v", err)
	}
	if err := v.Unlock(strings.Replace(phrase, "about", "above", 1), ""); !errors.Is(err, vault.ErrChecksum) {
		t.Errorf("checksum: %v", err)
	}
	if err := v.Unlock(phrase, "\xff"); !errors.Is(err, vault.ErrEncoding) {
		t.Errorf("passphrase that is not UTF-8: %v", err)
	}
	if _, err := v.UnlockNew(13); !errors.As(err, &count) {
		t.Errorf("13 words: %v", err)
	}
	if v.Unlocked() {
		t.Error("a failed unlock left the vault open")
	}
}

func TestNothingPrintsSecrets(t *testing.T) {
	v := unlocked(t, "pass-phrase")
	words, err := v.Words()
	if err != nil {
		t.Fatal(err)
	}
	derived, err := v.Derive(vault.Secp256k1, vault.PathEthereum)
	if err != nil {
		t.Fatal(err)
	}
	private, err := derived.Private()
	if err != nil || len(private) != 32 {
		t.Fatalf("Private = %d bytes, %v", len(private), err)
	}
	node, _ := v.NodeKey()
	host, _ := v.SSHHostKey()
	web, err := v.WebKey(7)
	if err != nil {
		t.Fatal(err)
	}
	seal := vault.Passphrase("pass-phrase")
	secrets := []string{"abandon", "about", "pass-phrase", hex.EncodeToString(private), fmt.Sprint(private), strings.ToUpper(hex.EncodeToString(private))}
	for _, value := range []any{v, words, *words, derived, *derived, node, *node, host, *host, web, *web, seal, &seal} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%10.3v"} {
			fmt.Fprintf(&out, verb+"\n", value)
			fmt.Fprintf(&out, verb+"\n", []any{value})
		}
		text, err := json.Marshal(map[string]any{"k": value})
		if err != nil {
			t.Errorf("%T: %v", value, err)
		}
		out.Write(text)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "k", value)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "k", value)
		for _, s := range secrets {
			if strings.Contains(out.String(), s) {
				t.Errorf("%T prints a secret:\n%s", value, out.String())
				break
			}
		}
	}
}

func TestDerivedKey(t *testing.T) {
	v := unlocked(t, "")
	k, err := v.Derive(vault.Secp256k1, "m/44h/60'/0'/0/0")
	if err != nil {
		t.Fatal(err)
	}
	private, err := k.Private()
	if got := hex.EncodeToString(private); err != nil || got != "1ab42cc412b618bdea3a599e3c9bae199ebf030895b039e9db1e30dafb12b727" {
		t.Errorf("Private = %s, %v", got, err)
	}
	text, err := json.Marshal(k)
	want := `{"key_type":"Secp256k1","path":"m/44'/60'/0'/0/0","private_key":"[REDACTED]","public_key":"0237b0bb7a8288d38ed49a524b5dc98cff3eb5ca824c9f9dc0dfdb3d9cd600f299"}`
	if err != nil || string(text) != strings.ReplaceAll(want, "'", `'`) {
		t.Errorf("JSON = %s, %v", text, err)
	}
	if err := json.Unmarshal(text, k); !errors.Is(err, vault.ErrRedacted) {
		t.Errorf("Unmarshal: %v", err)
	}
	k.Destroy()
	if !bytes.Equal(private, make([]byte, 32)) {
		t.Error("Destroy left the private key")
	}
	again, err := v.Derive(vault.Secp256k1, vault.PathEthereum)
	if err != nil {
		t.Fatal(err)
	}
	if p, _ := again.Private(); bytes.Equal(p, make([]byte, 32)) {
		t.Error("Destroy reached into the vault's cache")
	}
}

func TestReservedPathsKeepTheirPrivateHalf(t *testing.T) {
	v := unlocked(t, "")
	for _, kind := range []vault.KeyType{vault.Ed25519, vault.AES256GCM, vault.Secp256k1} {
		for _, path := range []string{"m/74'", vault.PathIdentity, vault.PathSSHHost, vault.PathCipher, vault.PathSecrets, "m/74h/0'/0'/0'"} {
			k, err := v.Derive(kind, path)
			if err != nil {
				t.Fatal(err)
			}
			if private, err := k.Private(); !errors.Is(err, vault.ErrReserved) || private != nil {
				t.Errorf("%v %s: %v", kind, path, err)
			}
		}
	}
	k, err := v.Derive(vault.Ed25519, "m/75'")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Private(); err != nil {
		t.Errorf("m/75': %v", err)
	}
}

func TestDeriveRefuses(t *testing.T) {
	v := unlocked(t, "")
	var pathErr *vault.PathError
	for _, path := range []string{"", "m/0", "m/0''", "m/74'/0"} {
		if _, err := v.Derive(vault.Ed25519, path); !errors.As(err, &pathErr) {
			t.Errorf("Derive(%q): %v, want a PathError", path, err)
		}
	}
	for _, kind := range []vault.KeyType{0, 4} {
		if _, err := v.Derive(kind, "m/0'"); err == nil {
			t.Errorf("Derive of type %v succeeded", kind)
		}
	}
}

// The ancestor of this project keyed its cache by path alone and returned the
// first type derived there.
func TestCacheKeepsTypesApart(t *testing.T) {
	v := unlocked(t, "")
	const path = "m/75'/0'"
	want := map[vault.KeyType]string{}
	for round := range 2 {
		for _, kind := range []vault.KeyType{vault.Ed25519, vault.AES256GCM, vault.Secp256k1} {
			k, err := v.Derive(kind, path)
			if err != nil {
				t.Fatal(err)
			}
			private, _ := k.Private()
			got := fmt.Sprintf("%x/%x", private, k.Public())
			if round == 0 {
				want[kind] = got
			} else if got != want[kind] {
				t.Errorf("%v: %s, then %s", kind, want[kind], got)
			}
		}
	}
	if want[vault.Ed25519] == want[vault.Secp256k1] || want[vault.Ed25519] == want[vault.AES256GCM] {
		t.Error("two types gave the same key")
	}
}

func TestConcurrentUse(t *testing.T) {
	v := unlocked(t, "")
	node, err := v.NodeKey()
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 50 {
				switch {
				case worker == 0:
					v.Lock()
					if err := v.Unlock(phrase, ""); err != nil {
						t.Error(err)
					}
				case worker%2 == 0:
					if _, err := v.Derive(vault.Ed25519, fmt.Sprintf("m/%d'/%d'", worker, i)); err != nil && !errors.Is(err, vault.ErrLocked) {
						t.Error(err)
					}
				default:
					signature, err := node.SignMessage("test", []byte("x"))
					if err != nil && !errors.Is(err, vault.ErrLocked) {
						t.Error(err)
					}
					if err == nil && !vault.VerifyMessage(node.Public().(edPublic), "test", []byte("x"), signature) {
						t.Error("bad signature: a key was wiped under its user")
					}
				}
			}
		})
	}
	group.Wait()
}
