//go:build darwin || freebsd

package admin

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// peerAllowed admits this process's own user and root, at either end (LOCAL_PEERCRED).
func peerAllowed(c net.Conn) bool {
	return allowUID(c, func(fd int) (uint32, error) {
		cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
		if err != nil {
			return 0, err
		}
		return cred.Uid, nil
	}, uint32(os.Getuid()))
}
