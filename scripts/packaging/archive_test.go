package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// source writes a folder of fixed contents, by way of modes and times that a
// build must not let through.
func source(t *testing.T, exec, plain os.FileMode, touched time.Time) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "top")
	for name, mode := range map[string]os.FileMode{"run": exec, "z/last.txt": plain, "a.txt": plain} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("contents of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, touched, touched); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestArchiveDependsOnContentsOnly(t *testing.T) {
	when := time.Unix(1_700_000_001, 0).UTC()
	for _, kind := range []string{".tar.gz", ".zip"} {
		t.Run(kind, func(t *testing.T) {
			var made [2][]byte
			for i, dir := range []string{
				source(t, 0o700, 0o600, time.Unix(1_000_000_000, 0)),
				source(t, 0o775, 0o664, time.Unix(1_700_000_000, 0)),
			} {
				file := filepath.Join(t.TempDir(), "x"+kind)
				if err := archive(dir, file, when); err != nil {
					t.Fatal(err)
				}
				made[i], _ = os.ReadFile(file)
			}
			if len(made[0]) == 0 || !bytes.Equal(made[0], made[1]) {
				t.Errorf("%d and %d bytes, and they differ", len(made[0]), len(made[1]))
			}
		})
	}
}

func TestArchiveRefuses(t *testing.T) {
	dir := source(t, 0o700, 0o600, time.Now())
	if err := archive(dir, filepath.Join(t.TempDir(), "x.rar"), time.Now()); err == nil {
		t.Error("made an archive of a kind that it does not know")
	}
	if err := os.Symlink("a.txt", filepath.Join(dir, "link")); err != nil {
		t.Skipf("this system makes no symbolic link: %v", err)
	}
	file := filepath.Join(t.TempDir(), "x.zip")
	if err := archive(dir, file, time.Now()); err == nil {
		t.Error("packed a symbolic link")
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("left half an archive behind")
	}
}

func TestCompressTwice(t *testing.T) {
	var made [2][]byte
	for i, name := range []string{"one", "two"} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, bytes.Repeat([]byte("page "), 100), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := compress(path); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Error("the plain file is still there")
		}
		made[i], _ = os.ReadFile(path + ".gz")
	}
	if len(made[0]) == 0 || !bytes.Equal(made[0], made[1]) {
		t.Errorf("%x and %x differ", made[0], made[1])
	}
}
