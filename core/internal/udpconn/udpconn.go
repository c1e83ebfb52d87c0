// Package udpconn is the UDP socket below QUIC. It differs from a plain
// *net.UDPConn in two ways.
//
// It receives datagrams joined by the kernel (UDP_GRO of udp(7), Linux 5.0) and
// hands them to quic-go one by one, so that a bulk transfer costs one system
// call for dozens of packets. Whether anything is joined depends on the path:
// loopback, veth, virtual machines and network cards with GRO join, others do
// not and then nothing is gained or lost. Only [Stats] can tell.
//
// And it does not take a network that is away for an error. quic-go closes a
// connection whose datagram the system refuses to send; a machine that changes
// its network has no route for a moment, and would lose every connection to
// what QUIC calls a lost packet. See [Conn.Forgive].
//
//	conn, stats := udpconn.Wrap(udpConn, true)
//	conn.Forgive()
//	transport := &quic.Transport{Conn: conn}
package udpconn

import (
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"syscall"
)

// A Conn is what quic-go wants of a socket. Like a *net.UDPConn, it may be used
// concurrently; readers take turns.
type Conn interface {
	net.PacketConn
	SyscallConn() (syscall.RawConn, error)
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
	ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error)
	WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error)

	// Forgive makes writes succeed, from now on, that fail because the network
	// is away or a firewall objects: the datagram is lost. A socket that only
	// dials wants the errors until it has an answer.
	Forgive()
}

// Wrap returns a Conn of c, which must not be used any more, that receives in
// batches if gro is set and the system has UDP_GRO. Otherwise the Stats are
// nil, which is a valid *Stats.
func Wrap(c *net.UDPConn, gro bool) (Conn, *Stats) {
	return wrap(&sender{UDPConn: c}, gro)
}

type sender struct {
	*net.UDPConn
	forgiving atomic.Bool
}

func (s *sender) Forgive() { s.forgiving.Store(true) }

func (s *sender) WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error) {
	n, oobn, err = s.UDPConn.WriteMsgUDP(b, oob, addr)
	if err != nil && s.forgives(err) {
		return len(b), len(oob), nil
	}
	return n, oobn, err
}

func (s *sender) WriteTo(b []byte, addr net.Addr) (int, error) {
	n, err := s.UDPConn.WriteTo(b, addr)
	if err != nil && s.forgives(err) {
		return len(b), nil
	}
	return n, err
}

// forgives knows the errors by name: quic-go acts on others, such as a datagram
// that is too large.
func (s *sender) forgives(err error) bool {
	var errno syscall.Errno
	return s.forgiving.Load() && errors.As(err, &errno) && slices.Contains(away, errno)
}
