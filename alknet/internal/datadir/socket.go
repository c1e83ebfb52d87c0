package datadir

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
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
	return filepath.Join(runtimeDir()+hex.EncodeToString(sum[:8]), "admin.sock")
}

// runtimeDir is the start of the folder's path. It does not depend on the
// environment, so that a service and a shell find the same.
func runtimeDir() string {
	uid := strconv.Itoa(os.Getuid())
	if p := filepath.Join("/run/user", uid); isDir(p) {
		return filepath.Join(p, "alknet-")
	}
	shared := "/tmp"
	if runtime.GOOS == "windows" {
		shared = os.TempDir()
	}
	// Others cannot rename a folder of ours there (the sticky bit), and
	// whoever uses the socket checks that the folder is ours and closed.
	return filepath.Join(shared, "alknet-"+uid+"-")
}

func isDir(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.IsDir()
}
