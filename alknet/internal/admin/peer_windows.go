package admin

import (
	"io/fs"
	"net"
)

// Windows has no peer credentials on Unix sockets; the socket lies in a folder
// whose access list admits its owner only.
func peerAllowed(net.Conn) bool { return true }

func ownedByUs(fs.FileInfo) bool { return true }
