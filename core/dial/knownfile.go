package dial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const lockRetry = 5 * time.Millisecond

// change applies edit to the file as it is now, under the lock. An edit that
// changes nothing writes nothing.
func (k *KnownNodes) change(ctx context.Context, edit func([]knownLine) ([]knownLine, error)) error {
	if k.Path == "" {
		return errNoPath
	}
	unlock, err := k.lock(ctx)
	if err != nil {
		return fmt.Errorf("lock known nodes: %w", err)
	}
	defer unlock()
	lines, err := k.load()
	if err != nil {
		return err
	}
	old := formatKnown(lines)
	if lines, err = edit(lines); err != nil {
		return fmt.Errorf("change known nodes: %w", err)
	}
	changed := formatKnown(lines)
	if bytes.Equal(old, changed) {
		return nil
	}
	if len(changed) > maxKnownFile {
		return fmt.Errorf("change known nodes: %s would grow beyond %d bytes", k.Path, maxKnownFile)
	}
	if err := replaceFile(k.Path, changed); err != nil {
		return fmt.Errorf("write known nodes: %w", err)
	}
	return nil
}

func (k *KnownNodes) lock(ctx context.Context) (unlock func(), err error) {
	f, err := openLock(k.Path + ".lock")
	if err != nil {
		return nil, err
	}
	for {
		err := tryLock(f)
		if err == nil {
			return func() { f.Close() }, nil // closing releases it
		}
		if !errors.Is(err, errLocked) {
			f.Close()
			return nil, err
		}
		wait := time.NewTimer(lockRetry)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			f.Close()
			return nil, ctx.Err()
		}
	}
}

// openLock follows no link: root may do this in a folder of somebody else.
func openLock(path string) (*os.File, error) {
	f, err := create(path, os.O_RDWR)
	if errors.Is(err, fs.ErrExist) {
		return os.OpenFile(path, os.O_RDWR|noFollow, 0)
	}
	return f, err
}

// create makes a file that is not there, not even as a link. It belongs to the
// owner of the folder, whose node is to use what root writes.
func create(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := giveToOwner(f, filepath.Dir(path)); err != nil {
		f.Close()
		os.Remove(path)
		return nil, err
	}
	return f, nil
}

// replaceFile is crash-safe: path has the old content or the new. The caller
// holds the lock, so that one name for the temporary file is enough and none
// is left behind by a crash for good.
func replaceFile(path string, content []byte) error {
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := create(temp, os.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
		return err
	}
	return syncDir(filepath.Dir(path))
}
