//go:build unix

package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// noFollow: a lock that is a pipe does not hold up either.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// checkShared refuses a folder in which another user could put a folder of his
// in the place of ours: who may write to it besides us and root must be held
// off by the sticky bit. Whoever uses the socket checks that folder itself.
func checkShared(path string) error {
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || !fi.IsDir() || st.Uid != 0 && int(st.Uid) != os.Getuid() ||
		fi.Mode().Perm()&0o022 != 0 && fi.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("%s is no folder in which other users leave ours alone", path)
	}
	return nil
}

func giveToOwner(f *os.File, dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	fi, err := os.Stat(dir)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}

// sameOwner refuses a folder of somebody else than the data directory's owner,
// who could lead root to another node. One that is gone is nobody's.
func (d Dir) sameOwner(folder string) error {
	fi, err := os.Lstat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	own, ownErr := os.Stat(d.path)
	if err := errors.Join(err, ownErr); err != nil {
		return err
	}
	theirs, ok := fi.Sys().(*syscall.Stat_t)
	ours, ownOK := own.Sys().(*syscall.Stat_t)
	if !ok || !ownOK || theirs.Uid != ours.Uid {
		return fmt.Errorf("%s names a socket in %s, which has another owner than %s: remove the file, and start the node again", d.File("socket"), folder, d.path)
	}
	return nil
}

// CheckServe refuses root a directory of another account, which says there who
// may run commands as the node's user. One that does not exist passes.
func (d Dir) CheckServe() error {
	if os.Getuid() != 0 {
		return nil
	}
	fi, err := os.Stat(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read data directory: %w", err)
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
		return fmt.Errorf("%s belongs to the account with number %d, and a node of root's there would give that account root's rights: start it as that account (sudo -u '#%[2]d'), or choose another directory with --data", d.path, st.Uid)
	}
	return nil
}
