//go:build !linux

package udpgro

import "net"

func wrap(c *net.UDPConn) (Conn, *Stats) { return c, nil }
