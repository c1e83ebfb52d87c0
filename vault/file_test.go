package vault_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/alkdev/alknet/vault"
)

// quick is a passphrase seal with a scrypt of a few milliseconds.
func quick(passphrase string) vault.Seal { return vault.Passphrase(passphrase).WithWork(8) }

func write(t testing.TB, path string, content []byte, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t testing.TB, path string, s vault.Seal) *vault.Vault {
	t.Helper()
	v := vault.New()
	if err := v.Open(path, s); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSaveAndOpen(t *testing.T) {
	for _, c := range []struct {
		name string
		seal func(dir string) vault.Seal
		kind vault.SealKind
	}{
		{"key file", func(dir string) vault.Seal { return vault.KeyFile(filepath.Join(dir, "key")) }, vault.SealedByKeyFile},
		{"passphrase", func(string) vault.Seal { return quick("correct horse") }, vault.SealedByPassphrase},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path, seal := filepath.Join(dir, "vault.age"), c.seal(dir)
			v := unlocked(t, "TREZOR ㍍")
			if err := v.Save(path, seal); err != nil {
				t.Fatal(err)
			}
			if got, want := nodePublic(t, open(t, path, seal)), nodePublic(t, v); got != want {
				t.Errorf("node key = %s, want %s", got, want)
			}
			if kind, err := vault.SealOf(path); err != nil || kind != c.kind {
				t.Errorf("SealOf = %v, %v", kind, err)
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
				}
				if bytes.Contains(read(t, filepath.Join(dir, e.Name())), []byte("abandon")) {
					t.Errorf("%s holds the words in clear", e.Name())
				}
			}
			if err := v.Save(path, seal); !errors.Is(err, vault.ErrExists) {
				t.Errorf("Save over a vault: %v", err)
			}
			if err := v.Open(path, seal); !errors.Is(err, vault.ErrUnlocked) {
				t.Errorf("Open of an unlocked vault: %v", err)
			}
			if err := vault.New().Save(path+"2", seal); !errors.Is(err, vault.ErrLocked) {
				t.Errorf("Save of a locked vault: %v", err)
			}
		})
	}
}

// The default work factor is about a second; one test pays for it.
func TestPassphraseWorkFactor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.age")
	if err := unlocked(t, "").Save(path, vault.Passphrase("x")); err != nil {
		t.Fatal(err)
	}
	recipient := strings.Fields(strings.Split(string(read(t, path)), "\n")[1])
	if recipient[len(recipient)-1] != "18" {
		t.Errorf("recipient line = %v, want work factor 18", recipient)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	keyed, locked := filepath.Join(dir, "keyed.age"), filepath.Join(dir, "locked.age")
	key := filepath.Join(dir, "key")
	v := unlocked(t, "")
	if err := v.Save(keyed, vault.KeyFile(key)); err != nil {
		t.Fatal(err)
	}
	if err := v.Save(locked, quick("right")); err != nil {
		t.Fatal(err)
	}
	if err := v.Save(filepath.Join(dir, "other.age"), vault.KeyFile(filepath.Join(dir, "other"))); err != nil {
		t.Fatal(err)
	}
	identity := read(t, key)
	write(t, filepath.Join(dir, "readable"), identity, 0o640)
	write(t, filepath.Join(dir, "twice"), append(identity, identity...), 0o600)
	write(t, filepath.Join(dir, "empty"), []byte("# nothing\n"), 0o600)
	write(t, filepath.Join(dir, "typo"), bytes.Replace(identity, []byte("AGE-SECRET-KEY-1"), []byte("AGE-SECRET-KEY-1Q"), 1), 0o600)
	write(t, filepath.Join(dir, "long"), bytes.Repeat([]byte("#\n"), 1<<16), 0o600)
	for _, c := range []struct {
		name, path string
		seal       vault.Seal
		want       error
	}{
		{"wrong passphrase", locked, quick("wrong"), vault.ErrWrongPassphrase},
		{"empty passphrase", locked, quick(""), vault.ErrWrongPassphrase},
		{"passphrase for a key file", keyed, quick("right"), vault.ErrWrongSeal},
		{"key file for a passphrase", locked, vault.KeyFile(key), vault.ErrWrongSeal},
		{"another key file", keyed, vault.KeyFile(filepath.Join(dir, "other")), vault.ErrWrongKeyFile},
		{"key file that others can read", keyed, vault.KeyFile(filepath.Join(dir, "readable")), vault.ErrKeyFileMode},
		{"key file with two keys", keyed, vault.KeyFile(filepath.Join(dir, "twice")), vault.ErrKeyFile},
		{"key file without key", keyed, vault.KeyFile(filepath.Join(dir, "empty")), vault.ErrKeyFile},
		{"key file with a typo", keyed, vault.KeyFile(filepath.Join(dir, "typo")), vault.ErrKeyFile},
		{"endless key file", keyed, vault.KeyFile(filepath.Join(dir, "long")), vault.ErrTooLong},
		{"missing key file", keyed, vault.KeyFile(filepath.Join(dir, "none")), fs.ErrNotExist},
		{"missing vault", filepath.Join(dir, "none.age"), quick("right"), fs.ErrNotExist},
		{"vault is not an age file", key, quick("right"), vault.ErrDamaged},
		{"endless vault", filepath.Join(dir, "long"), quick("right"), vault.ErrDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := vault.New()
			err := v.Open(c.path, c.seal)
			if !errors.Is(err, c.want) {
				t.Fatalf("error = %v, want %v", err, c.want)
			}
			if v.Unlocked() {
				t.Error("vault is unlocked")
			}
			if secret := strings.TrimPrefix(strings.Split(string(identity), "\n")[2], "AGE-SECRET-KEY-1"); strings.Contains(err.Error(), secret) {
				t.Errorf("the error quotes the key: %v", err)
			}
		})
	}
	if err := v.Save(filepath.Join(dir, "new.age"), quick("")); err == nil {
		t.Error("Save with an empty passphrase succeeded")
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("Open made a key file")
	}
}

func TestDamagedFile(t *testing.T) {
	dir := t.TempDir()
	key, whole := filepath.Join(dir, "key"), filepath.Join(dir, "vault.age")
	if err := unlocked(t, "").Save(whole, vault.KeyFile(key)); err != nil {
		t.Fatal(err)
	}
	content := read(t, whole)
	path := filepath.Join(dir, "damaged.age")
	check := func(t *testing.T, damaged []byte) {
		t.Helper()
		write(t, path, damaged, 0o600)
		v := vault.New()
		err := v.Open(path, vault.KeyFile(key))
		// The bytes of the wrapped key cannot be told from another key.
		if !errors.Is(err, vault.ErrDamaged) && !errors.Is(err, vault.ErrWrongKeyFile) {
			t.Fatalf("error = %v, want ErrDamaged", err)
		}
		if v.Unlocked() {
			t.Fatal("a damaged file opened the vault")
		}
	}
	for i := range content {
		check(t, content[:i])
		flipped := bytes.Clone(content)
		flipped[i] ^= 0x04
		check(t, flipped)
	}
	check(t, append(bytes.Clone(content), 0))
	if err := vault.New().Open(path, vault.KeyFile(key)); !strings.Contains(err.Error(), "restore it from a backup") {
		t.Errorf("the error does not say what to do: %v", err)
	}
}

func TestUnusableContent(t *testing.T) {
	dir := t.TempDir()
	key, path := filepath.Join(dir, "key"), filepath.Join(dir, "vault.age")
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	write(t, key, []byte(id.String()), 0o600)
	for _, c := range []struct {
		name, content string
		want          error
	}{
		{"empty", "", vault.ErrDamaged},
		{"not JSON", "words", vault.ErrDamaged},
		{"no version", `{"mnemonic":"` + phrase + `"}`, vault.ErrDamaged},
		{"newer", `{"version":2,"shares":[]}`, vault.ErrNewer},
		{"unknown field", `{"version":1,"mnemonic":"` + phrase + `","x":1}`, vault.ErrDamaged},
		{"wrong words", `{"version":1,"mnemonic":"` + phrase + ` about","created":"2026-01-01T00:00:00Z"}`, vault.ErrDamaged},
		{"seed of another size", `{"version":1,"mnemonic":"` + phrase + `","seed":"AAAA"}`, vault.ErrDamaged},
		{"minimal", `{"version":1,"mnemonic":"` + phrase + `"}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sealed bytes.Buffer
			w, err := age.Encrypt(&sealed, id.Recipient())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte(c.content)); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			write(t, path, sealed.Bytes(), 0o600)
			err = vault.New().Open(path, vault.KeyFile(key))
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("error = %v, want %v", err, c.want)
			}
		})
	}
}

func TestReseal(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "vault.age")
	file, pass := vault.KeyFile(filepath.Join(dir, "key")), quick("words of mine")
	v := unlocked(t, "x")
	if err := v.Save(path, file); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name     string
		from, to vault.Seal
		old      error
	}{
		{"key file to passphrase", file, pass, vault.ErrWrongSeal},
		{"passphrase to another", pass, quick("other"), vault.ErrWrongPassphrase},
		{"back to the key file", quick("other"), file, vault.ErrWrongSeal},
		{"key file to another", file, vault.KeyFile(filepath.Join(dir, "key2")), vault.ErrWrongKeyFile},
	} {
		t.Run(step.name, func(t *testing.T) {
			if err := vault.Reseal(path, step.from, step.to); err != nil {
				t.Fatal(err)
			}
			if got := nodePublic(t, open(t, path, step.to)); got != nodePublic(t, v) {
				t.Error("the content changed")
			}
			if err := vault.New().Open(path, step.from); !errors.Is(err, step.old) {
				t.Errorf("the old seal: %v, want %v", err, step.old)
			}
			before := read(t, path)
			if err := vault.Reseal(path, step.from, step.to); !errors.Is(err, step.old) {
				t.Errorf("Reseal from the old seal: %v", err)
			}
			if !bytes.Equal(before, read(t, path)) {
				t.Error("a failed Reseal touched the file")
			}
		})
	}
}

// A node is its words: wipe everything, type them again, and the same node is
// back with its old values.
func TestRestoreDrill(t *testing.T) {
	dir := t.TempDir()
	seal := vault.KeyFile(filepath.Join(dir, "vault.key"))
	v := vault.New()
	words, err := v.UnlockNew(24)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Save(filepath.Join(dir, "vault.age"), seal); err != nil {
		t.Fatal(err)
	}
	type identity struct{ node, certificate, host, web, secret string }
	describe := func(v *vault.Vault) identity {
		node, err := v.NodeKey()
		if err != nil {
			t.Fatal(err)
		}
		host, _ := v.SSHHostKey()
		web, _ := v.WebKey(3)
		der, _ := node.Certificate()
		public, err := web.Public().(interface{ Bytes() ([]byte, error) }).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		secret, _ := v.Secret32("token")
		return identity{node.String(), string(der), host.String(), string(public), string(secret[:])}
	}
	before := describe(v)
	blob, err := v.Encrypt([]byte("api key"), vault.KeyVersion)
	if err != nil {
		t.Fatal(err)
	}

	v.Lock()
	for _, name := range []string{"vault.age", "vault.key"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Unlock(words.Reveal(), ""); err != nil {
		t.Fatal(err)
	}
	if err := v.Save(filepath.Join(dir, "vault.age"), seal); err != nil {
		t.Fatal(err)
	}
	restored := open(t, filepath.Join(dir, "vault.age"), seal)
	if describe(restored) != before {
		t.Error("the restored node is another node")
	}
	if text, err := restored.Decrypt(blob); err != nil || string(text) != "api key" {
		t.Errorf("old value = %q, %v", text, err)
	}
}

// tool finds a program that the stock-tool tests need. Without it they are
// skipped, except in continuous integration.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed: %v", name, err)
	}
	t.Skipf("SKIPPED: %s is not installed", name)
	return ""
}

// A seed that does not follow from the words would make a backup of the words
// worthless.
func TestWordsOfAnotherSeed(t *testing.T) {
	dir := t.TempDir()
	key, path := filepath.Join(dir, "key"), filepath.Join(dir, "vault.age")
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	write(t, key, []byte(id.String()), 0o600)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(w, `{"version":1,"mnemonic":%q,"seed":%q}`, phrase, base64.StdEncoding.EncodeToString(make([]byte, 64)))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, path, sealed.Bytes(), 0o600)
	if _, err := open(t, path, vault.KeyFile(key)).Words(); !errors.Is(err, vault.ErrDamaged) {
		t.Errorf("error = %v, want ErrDamaged", err)
	}
}

func TestStockAgeOpensKeyFileVault(t *testing.T) {
	ageTool := tool(t, "age")
	dir := t.TempDir()
	key, path := filepath.Join(dir, "key"), filepath.Join(dir, "vault.age")
	if err := unlocked(t, "TREZOR").Save(path, vault.KeyFile(key)); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), ageTool, "-d", "-i", key, path).CombinedOutput()
	if err != nil {
		t.Fatalf("age: %v\n%s", err, out)
	}
	if !bytes.HasPrefix(out, []byte(`{"version":1,"mnemonic":"`+phrase+`","passphrase":"TREZOR","seed":"xVJXw2DA`)) {
		t.Errorf("age printed %s", out)
	}
	// And the other way round: age seals, the vault opens.
	again := filepath.Join(dir, "again.age")
	seal := exec.CommandContext(t.Context(), ageTool, "-e", "-i", key, "-o", again)
	seal.Stdin = bytes.NewReader(out)
	if out, err := seal.CombinedOutput(); err != nil {
		t.Fatalf("age: %v\n%s", err, out)
	}
	if nodePublic(t, open(t, again, vault.KeyFile(key))) != nodePublic(t, unlocked(t, "TREZOR")) {
		t.Error("another vault")
	}
}

func TestStockAgeOpensPassphraseVault(t *testing.T) {
	ageTool, script := tool(t, "age"), tool(t, "script") // age asks on a terminal, which script provides
	dir := t.TempDir()
	path, plain, again := filepath.Join(dir, "vault.age"), filepath.Join(dir, "plain"), filepath.Join(dir, "again.age")
	if err := unlocked(t, "").Save(path, quick("correct horse")); err != nil {
		t.Fatal(err)
	}
	typing := func(input string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), script, "-qec", ageTool+" "+strings.Join(args, " "), "/dev/null")
		cmd.Stdin = strings.NewReader(input)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("age: %v\n%s", err, out)
		}
	}
	typing("correct horse\n", "-d", "-o", plain, path)
	if got := read(t, plain); !bytes.Contains(got, []byte(phrase)) {
		t.Errorf("age printed %s", got)
	}
	typing("battery\nbattery\n", "-p", "-o", again, plain)
	if nodePublic(t, open(t, again, vault.Passphrase("battery"))) != nodePublic(t, unlocked(t, "")) {
		t.Error("another vault")
	}
}
