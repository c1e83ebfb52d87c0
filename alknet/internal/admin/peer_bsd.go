//go:build darwin || freebsd

package admin

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerAllowed admits users by number (LOCAL_PEERCRED).
func peerAllowed(c net.Conn, uids ...uint32) bool {
	return allowUID(c, func(fd int) (uint32, error) {
		cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
		if err != nil {
			return 0, err
		}
		return cred.Uid, nil
	}, uids...)
}
