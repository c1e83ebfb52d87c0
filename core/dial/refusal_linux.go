package dial

import (
	"net"

	"golang.org/x/sys/unix"
)

// reportRefusal switches whether ICMP errors end reads and writes of an
// unconnected socket: ip(7), IP_RECVERR. They may while dialling, so that a
// closed port is noticed at once, and not later, when they would only be a way
// to disturb a connection. A connected socket would do the first without
// this, but could not follow a change of the local address.
func reportRefusal(c *net.UDPConn, on bool) {
	rc, err := c.SyscallConn()
	if err != nil {
		return
	}
	value := 0
	if on {
		value = 1
	}
	rc.Control(func(fd uintptr) {
		// One of the two fails, depending on the family; without either, the
		// other transport starts a little later.
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, value)
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVERR, value)
		if !on {
			unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR) // clears it
		}
	})
}
