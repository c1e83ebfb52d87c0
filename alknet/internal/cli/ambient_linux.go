package cli

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// noAmbientRights keeps the capabilities that a service manager gave the node,
// such as that to low ports, from what the node runs for peers
// (capabilities(7), "Ambient"). The node itself keeps them. It is an
// errors.ErrUnsupported if this program cannot.
func noAmbientRights() error {
	if !anyAmbient() {
		return nil
	}
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0)
	if errors.Is(errno, syscall.ENOTSUP) {
		return fmt.Errorf("peers' commands have the node's right to ports below 1024, because this program was built with cgo: build it with CGO_ENABLED=0, or start it without AmbientCapabilities= (%w)", errors.ErrUnsupported)
	}
	if errno != 0 {
		return fmt.Errorf("give up ambient capabilities: %w", errno)
	}
	return nil
}

func anyAmbient() bool {
	for c := range unix.CAP_LAST_CAP + 1 {
		if on, err := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, uintptr(c), 0, 0); err == nil && on == 1 {
			return true
		}
	}
	return false
}
