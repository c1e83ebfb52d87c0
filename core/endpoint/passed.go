package endpoint

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// ListenOn takes a port that somebody else has bound, a service manager for
// example: a TCP listener and the UDP socket of the same address. If udp is nil,
// the endpoint binds that itself. Calls of Listen and ListenOn add up.
//
// The endpoint owns both from now on, and closes them also where it returns an
// error: another error of Listen, or that the two addresses differ. It closes
// descriptors only: a port of which another process holds a copy stays bound,
// and clients then wait in its queue for whoever accepts next.
func (e *Endpoint) ListenOn(tcp *net.TCPListener, udp *net.UDPConn) error {
	e.init()
	e.mu.Lock()
	defer e.mu.Unlock()
	s, udp, err := e.adopt(tcp, udp)
	if err != nil {
		tcp.Close()
		if udp != nil {
			udp.Close()
		}
		return err
	}
	e.open(s, udp)
	e.sockets = append(e.sockets, s)
	return nil
}

// adopt returns the UDP socket to use, or to close after an error.
func (e *Endpoint) adopt(tcp *net.TCPListener, udp *net.UDPConn) (*socket, *net.UDPConn, error) {
	if err := e.canListen(); err != nil {
		return nil, udp, err
	}
	addr := tcp.Addr().(*net.TCPAddr).AddrPort()
	s := &socket{tcp: tcp, ip: addr.Addr().Unmap(), defaultALPN: defaultALPN(addr.Port())}
	family := "4"
	if s.ip.Is6() {
		var err error
		if s.dual, err = isDual(tcp); err != nil {
			return nil, udp, fmt.Errorf("listen on the socket passed for %s: %w", addr, err)
		}
		s.dual = s.dual && s.ip.IsUnspecified()
		family = "6"
	}
	if s.dual {
		family = ""
	}
	if udp == nil {
		udp, err := s.bindUDP(family)
		if err != nil {
			return nil, nil, bindError(addr.String(), addr.Port(), err)
		}
		return s, udp, nil
	}
	return s, udp, s.matches(udp)
}

// matches refuses a UDP socket that other clients reach than the TCP listener.
func (s *socket) matches(udp *net.UDPConn) error {
	want := s.tcp.Addr().(*net.TCPAddr).AddrPort()
	got := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	if netip.AddrPortFrom(want.Addr().Unmap(), want.Port()) != netip.AddrPortFrom(got.Addr().Unmap(), got.Port()) {
		return fmt.Errorf("listen on passed sockets: TCP has %s and UDP %s: bind both to one address", want, got)
	}
	if !s.ip.Is6() {
		return nil
	}
	dual, err := isDual(udp)
	if err == nil && dual != s.dual && s.ip.IsUnspecified() {
		err = errors.New("one is for IPv6 alone and the other for both families: bind both alike")
	}
	if err != nil {
		return fmt.Errorf("listen on the sockets passed for %s: %w", want, err)
	}
	return nil
}

// isDual reports whether an IPv6 socket takes IPv4 too (RFC 3493, section 5.3).
func isDual(c syscall.Conn) (bool, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false, err
	}
	only := 0
	var optErr error
	if err := raw.Control(func(fd uintptr) { only, optErr = v6Only(fd) }); err != nil {
		return false, err
	}
	return only == 0, optErr
}
