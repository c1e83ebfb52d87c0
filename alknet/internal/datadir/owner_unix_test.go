//go:build unix

package datadir_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/alkdev/alknet/alknet/internal/datadir"
)

// TestRootWritesForTheOwner: what root changes, the node must be able to read.
func TestRootWritesForTheOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root writes for others")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 65534, 65533); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "peers.toml")
	if err := datadir.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st := fi.Sys().(*syscall.Stat_t); st.Uid != 65534 || st.Gid != 65533 || fi.Mode().Perm() != 0o600 {
		t.Errorf("owner %d:%d, mode %v", st.Uid, st.Gid, fi.Mode())
	}
}
