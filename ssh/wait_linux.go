package ssh

import (
	"errors"

	"golang.org/x/sys/unix"
)

// awaitExit leaves the process unreaped, so that its group can be signalled
// safely for as long as members of it hold the output.
func (p *process) awaitExit() {
	for {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
