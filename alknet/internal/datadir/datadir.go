// Package datadir is the folder in which a node lives: where it is, what its
// files are called, who may write to it, and how a write survives a crash.
//
// One process at a time holds the lock and writes; readers need none, because
// every file is replaced as a whole.
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Format is the layout that this program writes.
const Format = 1

// Environment names the variable that holds a path to the data directory. No
// variable ever holds a secret.
const Environment = "ALKNET_DATA"

// Errors that callers test for.
var (
	ErrEmpty  = errors.New("no node here yet")
	ErrLocked = errors.New("another process holds the data directory")
	// ErrForeign says that the folder holds files, none of which is a node's.
	ErrForeign = errors.New("this folder holds other files")
)

// A Dir is a data directory. It is a value and holds nothing open.
type Dir struct {
	path string
	key  string // of the vault, if it is elsewhere
}

// Default is where the data directory is when nobody says otherwise: the path
// in ALKNET_DATA, else a folder below the platform's configuration folder.
func Default() (string, error) {
	if p := os.Getenv(Environment); p != "" {
		return p, nil
	}
	base, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the data directory: %w: give --data DIR", err)
	}
	return filepath.Join(base, "alknet"), nil
}

// At names the data directory at path, or the default one if path is empty. It
// touches nothing.
func At(path string) (Dir, error) {
	if path == "" {
		var err error
		if path, err = Default(); err != nil {
			return Dir{}, err
		}
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return Dir{}, fmt.Errorf("resolve data directory: %w", err)
	}
	return Dir{path: abs}, nil
}

// Path is the absolute path of the directory.
func (d Dir) Path() string { return d.path }

// File is the path of a file in it.
func (d Dir) File(elem ...string) string {
	return filepath.Join(append([]string{d.path}, elem...)...)
}

// Files with fixed names.
func (d Dir) Config() string       { return d.File("config.toml") }
func (d Dir) Peers() string        { return d.File("peers.toml") }
func (d Dir) Nodes() string        { return d.File("nodes.toml") }
func (d Dir) Vault() string        { return d.File("vault.age") }
func (d Dir) KnownNodes() string   { return d.File("known_nodes") }
func (d Dir) Certificates() string { return d.File("certs") }

// WithVaultKey is the same directory with the vault's key in another place.
func (d Dir) WithVaultKey(path string) Dir {
	d.key = path
	return d
}

// VaultKey is the path of the key that the vault is sealed to.
func (d Dir) VaultKey() string {
	if d.key != "" {
		return d.key
	}
	return d.File("vault.key")
}

// Check reports whether a node is set up here: ErrEmpty if not, and a
// *VersionError if a newer program wrote it.
func (d Dir) Check() error {
	raw, err := os.ReadFile(d.File("version"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w: run 'alknet init' or 'alknet serve'", d.path, ErrEmpty)
	}
	if err != nil {
		return fmt.Errorf("read data directory: %w", err)
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || v < 1 {
		return fmt.Errorf("%s holds %q, not a format number: restore the file from a backup, or write %d into it", d.File("version"), raw, Format)
	}
	if v > Format {
		return &VersionError{Path: d.path, Found: v}
	}
	return nil
}

// A VersionError says that the directory belongs to a newer program.
type VersionError struct {
	Path  string
	Found int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format %d, and this alknet knows up to %d: run the newer alknet again, or restore the backup made before the upgrade",
		e.Path, e.Found, Format)
}

// Create makes the directory, closed to others, and the folders in it. It
// does not mark it as set up; Finish does. A folder that is somebody else's is
// left as it is: ErrForeign.
func (d Dir) Create() error {
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return fmt.Errorf("create data directory: %w", err)
	}
	if err := d.checkOwn(); err != nil {
		return err
	}
	// First of all the file by which an interrupted Create knows its folder.
	if err := makeLock(d.File("lock")); err != nil {
		return fmt.Errorf("create data directory: %w", err)
	}
	if err := os.Chmod(d.path, 0o700); err != nil {
		return fmt.Errorf("close data directory to others: %w", err)
	}
	for _, sub := range []string{"certs", "fs", "git", "files", "mail", "dns", "log"} {
		if err := d.makeFolder(sub); err != nil {
			return fmt.Errorf("create data directory: %w", err)
		}
	}
	return nil
}

// marks are the files of which a folder that a node may take over holds at
// least one, unless it is empty.
var marks = []string{
	"vault.age", "vault.key", "lock", "version", "config.toml", "peers.toml",
	"known_nodes", "known_nodes.lock", "nodes.toml", "nodes.lock",
}

// CheckFree is ErrForeign for a folder that holds files, none of which is a
// node's. One that does not exist is free.
func (d Dir) CheckFree() error {
	err := d.checkOwn()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d Dir) checkOwn() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("read data directory: %w", err)
	}
	foreign := false
	for _, e := range entries {
		if slices.Contains(marks, e.Name()) {
			return nil
		}
		// A fresh file system has this folder.
		foreign = foreign || e.Name() != "lost+found"
	}
	if foreign {
		return fmt.Errorf("%s: %w: name an empty or a new one with --data", d.path, ErrForeign)
	}
	return nil
}

// Finish marks the directory as set up. It is the last write of an init, so
// that an interrupted one is simply repeated.
func (d Dir) Finish() error {
	return WriteFile(d.File("version"), []byte(strconv.Itoa(Format)+"\n"), 0o600)
}

// Lock takes the right to write, or fails with ErrLocked at once. The system
// drops it when the process ends.
func (d Dir) Lock() (unlock func() error, err error) {
	l, err := NewLock(d.File("lock"))
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("%s: %w: stop the node that runs there ('alknet stop'), or choose another directory with --data", d.path, ErrLocked)
	}
	d.sweep()
	return l.Close, nil
}

// sweep removes what a crash left of files that only the holder of the lock
// writes.
func (d Dir) sweep() {
	for _, name := range []string{"version", "config.toml", "peers.toml", "socket"} {
		left, _ := filepath.Glob(temporary(d.File(name)))
		for _, path := range left {
			os.Remove(path)
		}
	}
}
