//go:build unix

package datadir_test

import (
	"errors"
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

func ownedBy(t *testing.T, path string, uid uint32) {
	t.Helper()
	fi, err := os.Lstat(path)
	if err != nil {
		t.Error(err)
		return
	}
	if st := fi.Sys().(*syscall.Stat_t); st.Uid != uid {
		t.Errorf("%s is %d's, not %d's", path, st.Uid, uid)
	}
}

// TestRootSetsUpForTheOwner: the node of that account is to start there.
func TestRootSetsUpForTheOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root writes for others")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	d, err := datadir.At(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Create(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lock", "certs", "log"} {
		ownedBy(t, d.File(name), 65534)
	}
	if err := os.Remove(d.File("lock")); err != nil {
		t.Fatal(err)
	}
	unlock, err := d.Lock()
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	ownedBy(t, d.File("lock"), 65534)
}

// TestLockFollowsNoLink: the owner of the folder must not have root make a file
// elsewhere.
func TestLockFollowsNoLink(t *testing.T) {
	for _, exists := range []bool{false, true} {
		d, err := datadir.At(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		elsewhere := filepath.Join(t.TempDir(), "nologin")
		if exists {
			if err := os.WriteFile(elsewhere, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(elsewhere, d.File("lock")); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Lock(); !errors.Is(err, syscall.ELOOP) {
			t.Errorf("exists %t: got %v", exists, err)
		}
		if err := d.Create(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(elsewhere); (err == nil) != exists {
			t.Errorf("exists %t: afterwards %v", exists, err)
		}
	}
}

// TestSocketOfAnotherOwner: the word of where the socket is leads root to no
// other account's node.
func TestSocketOfAnotherOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be led to another's node")
	}
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "a")
	d, err := datadir.At(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(other, 0o700), os.WriteFile(d.File("socket"), []byte(other+"/admin.sock\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Socket(); err != nil || got != other+"/admin.sock" {
		t.Fatalf("of one owner: %q, %v", got, err)
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Socket(); err == nil {
		t.Errorf("of two owners: %q", got)
	}
}

// TestCheckServe: who owns the directory decides who runs commands.
func TestCheckServe(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root is refused")
	}
	dir := t.TempDir()
	d, err := datadir.At(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.CheckServe(); err != nil {
		t.Errorf("root's own: %v", err)
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := d.CheckServe(); err == nil {
		t.Error("another account's was taken")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := d.CheckServe(); err != nil {
		t.Errorf("none yet: %v", err)
	}
}
