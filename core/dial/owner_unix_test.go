//go:build unix

package dial_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/alkdev/alknet/core/dial"
)

// TestKnownNodesFollowNoLinks: root may keep them in a folder of somebody who
// puts links there.
func TestKnownNodesFollowNoLinks(t *testing.T) {
	key := newNode(t).id.Key()
	for _, test := range []struct {
		suffix string
		fails  error
	}{{".new", nil}, {".lock", syscall.ELOOP}} {
		t.Run(test.suffix, func(t *testing.T) {
			k := &dial.KnownNodes{Path: filepath.Join(t.TempDir(), "known_nodes")}
			elsewhere := filepath.Join(t.TempDir(), "passwd")
			writeFile(t, elsewhere, "precious")
			if err := os.Symlink(elsewhere, k.Path+test.suffix); err != nil {
				t.Fatal(err)
			}
			if err := k.RecordTOFU(t.Context(), "node.example:4433", key); !errors.Is(err, test.fails) {
				t.Errorf("got %v", err)
			}
			if raw, err := os.ReadFile(elsewhere); err != nil || string(raw) != "precious" {
				t.Errorf("the other file holds %q, %v", raw, err)
			}
		})
	}
	t.Run("a lock that is to be made elsewhere", func(t *testing.T) {
		k := &dial.KnownNodes{Path: filepath.Join(t.TempDir(), "known_nodes")}
		elsewhere := filepath.Join(t.TempDir(), "nologin")
		if err := os.Symlink(elsewhere, k.Path+".lock"); err != nil {
			t.Fatal(err)
		}
		if err := k.RecordTOFU(t.Context(), "node.example:4433", key); err == nil {
			t.Error("no error")
		}
		if _, err := os.Lstat(elsewhere); err == nil {
			t.Error("the file was made")
		}
	})
}

// TestKnownNodesStayTheOwners: what root learns, the node must be able to read.
func TestKnownNodesStayTheOwners(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root writes for others")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	k := &dial.KnownNodes{Path: filepath.Join(dir, "known_nodes")}
	if err := k.RecordTOFU(t.Context(), "node.example:4433", newNode(t).id.Key()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{k.Path, k.Path + ".lock"} {
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st := fi.Sys().(*syscall.Stat_t); st.Uid != 65534 || st.Gid != 65534 {
			t.Errorf("%s is %d:%d's", path, st.Uid, st.Gid)
		}
	}
}
