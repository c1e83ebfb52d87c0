//go:build unix

package datadir

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

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
