package main

import (
	"context"
	"fmt"
	"net"
	"syscall"
)

// tcpCongestion is TCP_CONGESTION, tcp(7), which package syscall lacks.
const tcpCongestion = 13

// listenTCP chooses the congestion control for what the server sends, "" being the
// system's choice; accepted connections inherit it.
func listenTCP(addr, congestion string) (net.Listener, error) {
	settings := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		if congestion == "" {
			return nil
		}
		var refused error
		if err := c.Control(func(fd uintptr) {
			refused = syscall.SetsockoptString(int(fd), syscall.IPPROTO_TCP, tcpCongestion, congestion)
		}); err != nil {
			return err
		}
		if refused != nil {
			return fmt.Errorf("congestion control %s: %w", congestion, refused)
		}
		return nil
	}}
	settings.SetMultipathTCP(false)
	return settings.Listen(context.Background(), "tcp", addr)
}
