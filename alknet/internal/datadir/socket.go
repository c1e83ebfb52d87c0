package datadir

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxSocketPath is the room for a path in the smallest sockaddr_un of the
// supported systems (104 bytes on BSD and macOS), less the final zero.
const maxSocketPath = 103

const socketName = "admin.sock"

// Socket is where the running node's administration socket is: at the path
// that the node has left in the file socket, else admin.sock in the directory.
// Without a running node it is where one would be.
func (d Dir) Socket() (string, error) {
	path, err := d.leftSocket()
	if errors.Is(err, fs.ErrNotExist) {
		return d.newSocket()
	}
	if err != nil {
		return "", fmt.Errorf("find the node's socket: %w", err)
	}
	return path, nil
}

// PlaceSocket chooses where the socket is to be: admin.sock in the directory,
// or, where that path is longer than a socket address can be, in a folder of
// the system for such, which it leaves word of in the directory. What that
// folder is may change while the node runs, as users log in and out. The caller
// holds the lock, and calls RemoveSocket when the socket is gone.
func (d Dir) PlaceSocket() (string, error) {
	path, err := d.newSocket()
	if err != nil {
		return "", err
	}
	if path == d.File(socketName) {
		return path, d.RemoveSocket()
	}
	return path, WriteFile(d.File("socket"), []byte(path+"\n"), 0o600)
}

// RemoveSocket takes back the word that PlaceSocket left.
func (d Dir) RemoveSocket() error {
	if err := os.Remove(d.File("socket")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget administration socket: %w", err)
	}
	return nil
}

// leftSocket reads and checks the file socket.
func (d Dir) leftSocket() (string, error) {
	file := d.File("socket")
	fi, err := os.Lstat(file)
	if err != nil {
		return "", err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxSocketPath+1 {
		return "", fmt.Errorf("%s holds no path of a socket: remove it, and start the node again", file)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	path := strings.TrimSuffix(string(raw), "\n")
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || filepath.Base(path) != socketName || strings.ContainsAny(path, "\x00\n") {
		return "", fmt.Errorf("%s holds no path of a socket: remove it, and start the node again", file)
	}
	if err := d.sameOwner(filepath.Dir(path)); err != nil {
		return "", err
	}
	return path, checkShared(filepath.Dir(filepath.Dir(path)))
}

func (d Dir) newSocket() (string, error) {
	if p := d.File(socketName); len(p) <= maxSocketPath {
		return p, nil
	}
	sum := sha256.Sum256([]byte(d.path))
	name := hex.EncodeToString(sum[:8])
	uid := strconv.Itoa(os.Getuid())
	for _, folder := range []struct{ path, prefix string }{
		{filepath.Join("/run/user", uid), "alknet-"},
		{"/tmp", "alknet-" + uid + "-"},
		{os.TempDir(), "alknet-" + uid + "-"},
	} {
		p := filepath.Join(folder.path, folder.prefix+name, socketName)
		if checkShared(folder.path) == nil && len(p) <= maxSocketPath {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s is too long a path for a socket, and there is no safe folder for a shorter one: choose a shorter path with --data", d.File(socketName))
}
