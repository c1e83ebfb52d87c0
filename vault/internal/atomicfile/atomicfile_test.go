package atomicfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/alkdev/alknet/vault/internal/atomicfile"
)

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestCreateAndReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	left := filepath.Join(dir, ".file.tmp-123")
	other := filepath.Join(dir, ".other.tmp-123")
	for _, name := range []string{left, other} {
		if err := os.WriteFile(name, []byte("left by a crash"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := atomicfile.Create(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Create(path, []byte("two")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Create: %v, want fs.ErrExist", err)
	}
	if got := content(t, path); got != "one" {
		t.Errorf("content = %q", got)
	}
	if err := atomicfile.Replace(path, []byte("three")); err != nil {
		t.Fatal(err)
	}
	if got := content(t, path); got != "three" {
		t.Errorf("content = %q", got)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary file of a killed writer is still there: %v", err)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 2 {
		t.Errorf("directory holds %v, want file and %s", entries, filepath.Base(other))
	}
}

func TestMissingDirectory(t *testing.T) {
	if err := atomicfile.Replace(filepath.Join(t.TempDir(), "no", "file"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error = %v, want fs.ErrNotExist", err)
	}
}
