package dial

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

const noFollow = 0

var errLocked = errors.New("locked by another process")

func tryLock(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errLocked
	}
	return os.NewSyscallError("LockFileEx", err)
}

// Windows has no way to flush a directory; the rename is journalled.
func syncDir(string) error { return nil }

func giveToOwner(*os.File, string) error { return nil }
