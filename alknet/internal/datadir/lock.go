package datadir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// NewLock is a lock on a file in a data directory, which is made if it is not
// there. It follows no link: root may do this in a folder of somebody else.
func NewLock(path string) (*flock.Flock, error) {
	if err := makeLock(path); err != nil {
		return nil, err
	}
	return flock.New(path, flock.SetFlag(os.O_RDONLY|noFollow)), nil
}

func makeLock(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(giveToOwner(f, filepath.Dir(path)), f.Close())
}

// makeFolder leaves a folder that is there as it is.
func (d Dir) makeFolder(name string) error {
	path := d.File(name)
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return os.MkdirAll(path, 0o700) // fails for what is no folder
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return err
	}
	return errors.Join(giveToOwner(f, d.path), f.Close())
}
