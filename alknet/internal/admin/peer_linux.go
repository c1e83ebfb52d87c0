package admin

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerAllowed admits users by number (unix(7), SO_PEERCRED).
func peerAllowed(c net.Conn, uids ...uint32) bool {
	return allowUID(c, func(fd int) (uint32, error) {
		cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			return 0, err
		}
		return cred.Uid, nil
	}, uids...)
}
