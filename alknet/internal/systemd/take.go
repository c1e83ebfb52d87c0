package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Manager is the service manager that started this process. The zero value
// is none: it passes no sockets and hears nothing.
type Manager struct {
	// Sockets are what it has bound for the service.
	Sockets []Socket
	// Watchdog is within what time it wants to hear of the service; zero
	// means never.
	Watchdog time.Duration

	address string // of the notification socket
}

// A Socket is one port that the manager has bound. UDP is nil if it has bound
// TCP alone.
type Socket struct {
	TCP *net.TCPListener
	UDP *net.UDPConn
}

// variables of the two protocols. All are removed.
var variables = []string{
	"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
	"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID",
}

// Take finds the manager in the environment. It is called once, early: it takes
// over the passed descriptors. An error tells of sockets that the service cannot
// use; all are closed then.
func Take() (Manager, error) {
	read := make(map[string]string, len(variables))
	for _, name := range variables {
		read[name] = os.Getenv(name)
		os.Unsetenv(name)
	}
	m := Manager{address: read["NOTIFY_SOCKET"]}
	if forUs(read["WATCHDOG_PID"], true) {
		if usec, err := strconv.ParseInt(read["WATCHDOG_USEC"], 10, 64); err == nil && usec > 0 && usec < int64(24*time.Hour/time.Microsecond) {
			m.Watchdog = time.Duration(usec) * time.Microsecond
		}
	}
	if !forUs(read["LISTEN_PID"], false) {
		return m, nil
	}
	count, err := strconv.Atoi(read["LISTEN_FDS"])
	if err != nil || count < 0 || count > maxSockets {
		return m, fmt.Errorf("take passed sockets: LISTEN_FDS is %q, not a number from 0 to %d", read["LISTEN_FDS"], maxSockets)
	}
	files, err := inherited(count, strings.Split(read["LISTEN_FDNAMES"], ":"))
	if err != nil {
		return m, err
	}
	m.Sockets, err = pair(files)
	return m, err
}

// firstDescriptor is SD_LISTEN_FDS_START.
const firstDescriptor = 3

const maxSockets = 64

func forUs(pid string, absent bool) bool {
	if pid == "" {
		return absent
	}
	return pid == strconv.Itoa(os.Getpid())
}

// pair makes ports of descriptors, which it closes: the sockets are copies, and
// nothing that is executed gets those.
func pair(files []*os.File) (sockets []Socket, err error) {
	var alone []*net.UDPConn
	defer func() {
		for _, f := range files {
			f.Close()
		}
		for _, u := range alone {
			u.Close()
		}
		if err != nil {
			for _, s := range sockets {
				s.close()
			}
			sockets = nil
		}
	}()
	for _, f := range files {
		if ln, err := net.FileListener(f); err == nil {
			tcp, ok := ln.(*net.TCPListener)
			if !ok || !listening(f) {
				ln.Close()
				return sockets, refuse(f, "is no listener of TCP (Accept= must not be set)")
			}
			sockets = append(sockets, Socket{TCP: tcp})
			continue
		}
		pc, err := net.FilePacketConn(f)
		if err != nil {
			return sockets, refuse(f, "is neither a listener of TCP nor a socket of UDP")
		}
		udp, ok := pc.(*net.UDPConn)
		if !ok {
			pc.Close()
			return sockets, refuse(f, "is no socket of UDP")
		}
		alone = append(alone, udp)
	}
	if alone = join(sockets, alone); len(alone) > 0 {
		err = fmt.Errorf("take passed sockets: %s on UDP has no listener of TCP beside it: pass both (ListenStream= and ListenDatagram=), or TCP alone", alone[0].LocalAddr())
	}
	return sockets, err
}

// join gives each UDP socket to the listener of its address and returns those
// that are left.
func join(sockets []Socket, udp []*net.UDPConn) (left []*net.UDPConn) {
	for _, u := range udp {
		at := u.LocalAddr().(*net.UDPAddr).AddrPort()
		found := false
		for i := range sockets {
			if s := &sockets[i]; s.UDP == nil && s.TCP.Addr().(*net.TCPAddr).AddrPort() == at {
				s.UDP, found = u, true
				break
			}
		}
		if !found {
			left = append(left, u)
		}
	}
	return left
}

func refuse(f *os.File, why string) error {
	return fmt.Errorf("take passed sockets: %s %s: correct the socket unit: %w", f.Name(), why, errors.ErrUnsupported)
}

func (s Socket) close() {
	s.TCP.Close()
	if s.UDP != nil {
		s.UDP.Close()
	}
}

// Close closes what has not been handed on.
func (m *Manager) Close() {
	for _, s := range m.Sockets {
		s.close()
	}
	m.Sockets = nil
}
