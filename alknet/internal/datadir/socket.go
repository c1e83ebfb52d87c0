package datadir

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
)

// maxSocketPath is the room for a path in the smallest sockaddr_un of the
// supported systems (104 bytes on BSD and macOS), less the final zero.
const maxSocketPath = 103

// Socket is the path of the node's administration socket: admin.sock in the
// directory, or a short path in the runtime folder, named after the directory,
// when that is longer than a socket address can be.
func (d Dir) Socket() string {
	if p := d.File("admin.sock"); len(p) <= maxSocketPath {
		return p
	}
	sum := sha256.Sum256([]byte(d.path))
	return filepath.Join(runtimeDir(), "alknet-"+hex.EncodeToString(sum[:8]), "admin.sock")
}

func runtimeDir() string {
	uid := strconv.Itoa(os.Getuid())
	if p := filepath.Join("/run/user", uid); isDir(p) {
		return p
	}
	// A shared folder: whoever uses the socket checks that its parent is
	// theirs and closed to others.
	return filepath.Join(os.TempDir(), "alknet-"+uid)
}

func isDir(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.IsDir()
}
