// Package udpgro receives UDP datagrams joined by the kernel (UDP_GRO of
// udp(7), Linux 5.0) and hands them to quic-go one by one, so that a bulk
// transfer costs one system call for dozens of packets.
//
//	conn, stats := udpgro.Wrap(udpConn, true)
//	transport := &quic.Transport{Conn: conn}
//
// Where the option does not exist, or is not wanted, [Wrap] returns the socket
// itself. Whether anything is joined depends on the path: loopback, veth,
// virtual machines and network cards with GRO join, others do not and then
// nothing is gained or lost. Only [Stats] can tell.
package udpgro

import (
	"net"
	"sync/atomic"
	"syscall"
)

// A Conn is what quic-go wants of a socket. A *net.UDPConn is one. Like it, it
// may be used concurrently; readers take turns.
type Conn interface {
	net.PacketConn
	SyscallConn() (syscall.RawConn, error)
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
	ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error)
	WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error)
}

// Wrap switches UDP_GRO on for c and returns a Conn that splits what arrives
// joined. c must not be read from any more. If enable is false or the system
// has no UDP_GRO, it returns c and nil, which is a valid *Stats.
func Wrap(c *net.UDPConn, enable bool) (Conn, *Stats) {
	if !enable {
		return c, nil
	}
	return wrap(c)
}

// Stats counts what a wrapped socket received. All methods may be called at any
// time, also on nil, where everything is zero.
type Stats struct {
	reads, datagrams, joined, dropped atomic.Uint64
}

// Reads is the number of system calls that brought datagrams.
func (s *Stats) Reads() uint64 {
	if s == nil {
		return 0
	}
	return s.reads.Load()
}

// Datagrams is the number of datagrams received, joined or not.
func (s *Stats) Datagrams() uint64 {
	if s == nil {
		return 0
	}
	return s.datagrams.Load()
}

// Joined is the number of datagrams that arrived joined to others.
func (s *Stats) Joined() uint64 {
	if s == nil {
		return 0
	}
	return s.joined.Load()
}

// Dropped is the number of receptions thrown away because the kernel had cut
// them or their control messages. It stays zero unless there is a bug.
func (s *Stats) Dropped() uint64 {
	if s == nil {
		return 0
	}
	return s.dropped.Load()
}
