package systemd

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// Notifies reports whether the manager wants to hear of the service.
func (m *Manager) Notifies() bool { return m.address != "" }

// Ready says that the service is at its work, with a line for people.
func (m *Manager) Ready(status string) error {
	return m.send("READY=1", statusLine(status))
}

// Reloading says that the configuration is being read; Ready ends it.
func (m *Manager) Reloading() error {
	// MONOTONIC_USEC is what notify-reload (systemd 253) goes by.
	return m.send("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", monotonic().Microseconds()))
}

// Stopping says that the service takes nothing new, and is done within the time.
func (m *Manager) Stopping(status string, within time.Duration) error {
	return m.send("STOPPING=1", statusLine(status), extend(within))
}

// Failed leaves a line about a service that ends by itself.
func (m *Manager) Failed(reason string) error { return m.send(statusLine(reason)) }

// Extend says that the change of state under way needs that much longer.
func (m *Manager) Extend(within time.Duration) error { return m.send(extend(within)) }

// Alive answers the watchdog.
func (m *Manager) Alive() error { return m.send("WATCHDOG=1") }

func extend(d time.Duration) string { return fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()) }

func statusLine(s string) string {
	return "STATUS=" + strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// send is one datagram; a connection is made for each, because the manager may
// have been started anew.
func (m *Manager) send(lines ...string) error {
	if m.address == "" {
		return nil
	}
	// net takes a leading @ for an abstract socket, as the protocol does.
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.address, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify service manager: %w", err)
	}
	defer c.Close()
	c.SetWriteDeadline(time.Now().Add(sendTimeout))
	if _, err := c.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("notify service manager: %w", err)
	}
	return nil
}

// sendTimeout bounds what a manager that does not read costs.
const sendTimeout = 5 * time.Second
