package admin

import (
	"io/fs"
	"net"
)

// Windows has no peer credentials on Unix sockets; the socket lies in a folder
// whose access list admits its owner only.
func peerAllowed(net.Conn, ...uint32) bool { return true }

func ownerOf(fs.FileInfo) (uint32, bool) { return 0, true }
