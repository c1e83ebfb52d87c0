//go:build !unix && !windows

package udpconn

import "syscall"

var away []syscall.Errno
