package ssh

import "golang.org/x/sys/unix"

type flag = uint32

const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
	unixIUTF8  = unix.IUTF8
)

// disabledChar turns the wire's 255 into _POSIX_VDISABLE, which is 0 here.
func disabledChar(c uint8) uint8 {
	if c == 255 {
		return 0
	}
	return c
}
