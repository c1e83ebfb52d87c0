package ssh

import "golang.org/x/sys/unix"

type flag = uint64

const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
	unixIUTF8  = unix.IUTF8
)

func disabledChar(c uint8) uint8 { return c } // _POSIX_VDISABLE is 255 here
