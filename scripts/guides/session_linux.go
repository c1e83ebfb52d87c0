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
	var failed error
	done := poll(limit, func() bool {
		var state *unix.Termios
		err := raw.Control(func(fd uintptr) { state, failed = unix.IoctlGetTermios(int(fd), unix.TCGETS) })
		failed = errors.Join(err, failed)
		return failed != nil || state.Lflag&unix.ECHO == 0
	})
	if !done {
		return errors.New("what is typed would be shown")
	}
	return failed
}
