//go:build !linux

package dial

import "net"

// reportRefusal has no counterpart here: a closed port shows as silence.
func reportRefusal(*net.UDPConn, bool) {}
