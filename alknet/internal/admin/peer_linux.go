package admin

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// peerAllowed admits this process's own user and root, at either end (unix(7), SO_PEERCRED).
func peerAllowed(c net.Conn) bool {
	return allowUID(c, func(fd int) (uint32, error) {
		cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			return 0, err
		}
		return cred.Uid, nil
	}, uint32(os.Getuid()))
}
