package udpconn

import (
	"syscall"

	"golang.org/x/sys/windows"
)

var away = []syscall.Errno{
	windows.WSAENETUNREACH,
	windows.WSAENETDOWN,
	windows.WSAEHOSTUNREACH,
	windows.WSAEHOSTDOWN,
	windows.WSAEADDRNOTAVAIL,
	windows.WSAENOBUFS,
	windows.WSAEACCES,
	windows.WSAEINVAL,
	windows.WSAECONNRESET, // of an earlier datagram, by ICMP
}
