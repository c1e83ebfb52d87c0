package acme

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// maxFile bounds a stored file: a chain of ten certificates has about 20 KiB.
const maxFile = 256 << 10

const tempPrefix = ".new-"

// store is the folder of one authority.
type store struct{ folder string }

// newStore keeps authorities apart, so that a certificate of a staging one is
// not taken for the real thing. No name of a domain starts with "_".
func newStore(folder, directory string) store {
	host := "authority"
	if u, err := url.Parse(directory); err == nil && u.Hostname() != "" {
		host = strings.Map(func(r rune) rune {
			if r == '.' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
				return r
			}
			return '_'
		}, strings.ToLower(u.Hostname()))
	}
	sum := sha256.Sum256([]byte(directory))
	return store{filepath.Join(folder, host+"-"+hex.EncodeToString(sum[:4]))}
}

func (s store) accountPath() string                { return filepath.Join(s.folder, "_account.json") }
func (s store) certificatePath(name string) string { return filepath.Join(s.folder, name+".pem") }
func (s store) recordPath(name string) string      { return filepath.Join(s.folder, name+".json") }

// prepare makes the folder and removes what writes left behind that were cut.
func (s store) prepare() error {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return &StorageError{s.folder, err}
	}
	if err := os.Chmod(s.folder, 0o700); err != nil && runtime.GOOS != "windows" {
		return &StorageError{s.folder, err}
	}
	left, err := filepath.Glob(filepath.Join(s.folder, tempPrefix+"*"))
	if err != nil {
		return nil // a folder whose name is a pattern: what is left stays
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return &StorageError{path, err}
		}
	}
	return nil
}

// read returns nil, nil for a file that does not exist and a DamagedError for
// one that cannot be read.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &DamagedError{path, err}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, &DamagedError{path, err}
	case len(data) > maxFile:
		return nil, &DamagedError{path, fmt.Errorf("larger than %d bytes", maxFile)}
	case len(data) == 0:
		return nil, &DamagedError{path, io.ErrUnexpectedEOF}
	}
	return data, nil
}

// write replaces path so that after a crash at any point either the old or the
// new content is there, whole.
func write(path string, data []byte) (err error) {
	defer func() {
		if err != nil {
			err = &StorageError{path, err}
		}
	}()
	folder := filepath.Dir(path)
	if err = os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, tempPrefix+"*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

func remove(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return &StorageError{path, err}
	}
	return nil
}

// setAside renames a damaged file and returns its new name.
func setAside(path string, now time.Time) (string, error) {
	to := path + ".damaged-" + now.UTC().Format("20060102T150405.000000000Z")
	err := os.Rename(path, to)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return "", &StorageError{path, err}
	}
	return to, nil
}

func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there; NTFS journals the rename
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
