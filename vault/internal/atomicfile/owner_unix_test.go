//go:build unix

package atomicfile_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/alkdev/alknet/vault/internal/atomicfile"
)

// TestRootWritesForTheOwner: root may seal the vault of another account's node.
func TestRootWritesForTheOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root writes for others")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 65534, 65533); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "file")
	for name, write := range map[string]func(string, []byte) error{"create": atomicfile.Create, "replace": atomicfile.Replace} {
		os.Remove(path)
		if err := write(path, []byte("x")); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st := fi.Sys().(*syscall.Stat_t); st.Uid != 65534 || st.Gid != 65533 || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: owner %d:%d, mode %v", name, st.Uid, st.Gid, fi.Mode())
		}
	}
}
