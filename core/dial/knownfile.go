package dial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	f, err := os.OpenFile(k.Path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
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

// replaceFile is crash-safe: path has the old content or the new. The caller
// holds the lock, so that one name for the temporary file is enough and none
// is left behind by a crash for good.
func replaceFile(path string, content []byte) error {
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
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
