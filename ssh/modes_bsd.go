//go:build freebsd || netbsd || openbsd || dragonfly

package ssh

import "golang.org/x/sys/unix"

type flag = uint32

const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
	unixIUTF8  = 0 // there is no such mode here
)

func disabledChar(c uint8) uint8 { return c } // _POSIX_VDISABLE is 255 here
