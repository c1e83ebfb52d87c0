// Package atomicfile writes small files so that a crash at any point leaves
// the old content or the new, and never a part of either.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Create writes a file with mode 0600 that must not exist yet; otherwise the
// error is fs.ErrExist.
func Create(path string, data []byte) error {
	return write(path, data, func(temp string) error {
		err := os.Link(temp, path)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return err
		}
		// Some file systems have no hard links. Without them two
		// processes that create the same file at once are not kept apart.
		if _, err := os.Lstat(path); err == nil {
			return fs.ErrExist
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return os.Rename(temp, path)
	})
}

// Replace writes a file with mode 0600, in place of an older one if there is one.
func Replace(path string, data []byte) error {
	return write(path, data, func(temp string) error { return os.Rename(temp, path) })
}

func write(path string, data []byte, publish func(temp string) error) (err error) {
	dir, pattern := filepath.Dir(path), "."+filepath.Base(path)+".tmp-*"
	f, err := os.CreateTemp(dir, pattern) // mode 0600
	if err != nil {
		return fmt.Errorf("create temporary file: %w", err)
	}
	defer os.Remove(f.Name())
	if err := giveToOwner(f, dir); err != nil {
		f.Close()
		return fmt.Errorf("give temporary file to the owner of the folder: %w", err)
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return fmt.Errorf("write temporary file: %w", err)
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return fmt.Errorf("sync temporary file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close temporary file: %w", err)
	}
	if err := publish(f.Name()); err != nil {
		return fmt.Errorf("put file in place: %w", err)
	}
	sweep(dir, pattern)
	return syncDir(dir)
}

// sweep removes what writers that were killed left behind. A writer that is
// still at work loses its temporary file and fails; it damages nothing.
func sweep(dir, pattern string) {
	left, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return
	}
	for _, name := range left {
		os.Remove(name)
	}
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
