//go:build unix

package udpconn

import "syscall"

var away = []syscall.Errno{
	syscall.ENETUNREACH,
	syscall.ENETDOWN,
	syscall.EHOSTUNREACH,
	syscall.EHOSTDOWN,
	syscall.EADDRNOTAVAIL, // the address that the peer knows is gone
	syscall.ENOBUFS,
	syscall.EPERM,        // netfilter drops
	syscall.EACCES,       // an unreachable route of type prohibit
	syscall.EINVAL,       // an unreachable route of type blackhole; IPv6 without the source address
	syscall.ECONNREFUSED, // of an earlier datagram, by ICMP
}
