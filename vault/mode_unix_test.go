//go:build unix

package vault_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/alkdev/alknet/vault"
)

// TestKeyFileOfAnotherOwner: the rights of a group are how an access list of
// somebody else's file looks; everybody's rights are never right.
func TestKeyFileOfAnotherOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a file away")
	}
	dir := t.TempDir()
	path, key := filepath.Join(dir, "vault.age"), filepath.Join(dir, "key")
	if err := unlocked(t, "").Save(path, vault.KeyFile(key)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(key, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]error{0o400: nil, 0o440: nil, 0o640: nil, 0o444: vault.ErrKeyFileMode, 0o402: vault.ErrKeyFileMode} {
		if err := os.Chmod(key, mode); err != nil {
			t.Fatal(err)
		}
		if err := vault.New().Open(path, vault.KeyFile(key)); !errors.Is(err, want) {
			t.Errorf("mode %04o: got %v, want %v", mode, err, want)
		}
	}
}
