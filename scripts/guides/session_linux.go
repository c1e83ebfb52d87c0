package guides

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// session ends with the thread that the command was started from.
func session() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
}

// hidden waits until what is typed is not shown.
func (t *terminal) hidden(limit time.Duration) error {
	raw, err := t.tty.SyscallConn()
	if err != nil {
		return err
	}
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var state *unix.Termios
		var stateErr error
		if err := raw.Control(func(fd uintptr) { state, stateErr = unix.IoctlGetTermios(int(fd), unix.TCGETS) }); err != nil {
			return errors.Join(errEnded, err)
		}
		if stateErr != nil {
			return stateErr
		}
		if state.Lflag&unix.ECHO == 0 {
			return nil
		}
	}
	return errors.New("what is typed would be shown")
}
