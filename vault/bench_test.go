package vault_test

import (
	"path/filepath"
	"testing"

	"github.com/alkdev/alknet/vault"
)

// BenchmarkOpen is what every command pays before it can show the node key.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	path, seal := filepath.Join(dir, "vault.age"), vault.KeyFile(filepath.Join(dir, "vault.key"))
	v := vault.New()
	if _, err := v.UnlockNew(24); err != nil {
		b.Fatal(err)
	}
	if err := v.Save(path, seal); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		v := vault.New()
		if err := v.Open(path, seal); err != nil {
			b.Fatal(err)
		}
		k, err := v.NodeKey()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := k.Certificate(); err != nil {
			b.Fatal(err)
		}
		v.Lock()
	}
}
