package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
)

// Listen makes the socket. The caller holds the data directory's lock, so a
// socket that is there already is a dead node's and is removed.
func Listen(path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create administration socket: %w", err)
	}
	if _, err := checkPrivate(dir); err != nil {
		return nil, fmt.Errorf("create administration socket: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove stale administration socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("create administration socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("close administration socket to others: %w", err)
	}
	return &sameUser{l}, nil
}

// checkPrivate refuses a folder in which somebody else could put a socket, and
// returns the number of its owner: this process's own user. For root it may be
// anybody's, as that of a node with an account of its own is.
func checkPrivate(dir string) (owner uint32, err error) {
	if runtime.GOOS == "windows" {
		return 0, nil // the profile's folders are closed to others by their ACL
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return 0, err
	}
	owner, ok := ownerOf(fi)
	if self := os.Getuid(); !ok || !fi.IsDir() || fi.Mode().Perm()&0o077 != 0 || self != 0 && int(owner) != self {
		return 0, fmt.Errorf("%s must be a folder of this user with mode 0700", dir)
	}
	return owner, nil
}

// sameUser drops connections of other users, root aside.
type sameUser struct{ net.Listener }

func (l *sameUser) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if peerAllowed(c, uint32(os.Getuid()), 0) {
			return c, nil
		}
		c.Close()
	}
}

// timeout bounds a call on the socket, for both sides.
const timeout = 5 * time.Minute

// Limits are for the server of [Serve].
func Limits() call.Limits {
	return call.Limits{
		FrameBytes: 1 << 20, // the largest request is a change of one peer
		Timeout:    timeout,
	}
}

// stopGrace is for the last answers.
const stopGrace = time.Second

// Serve answers on l with server, to everybody as owner: whoever gets through
// to the socket is. When ctx ends it closes l and returns once the last answer
// is out.
func Serve(ctx context.Context, l net.Listener, server *call.Server, owner core.Identity) error {
	var router core.Router
	if err := router.Register(server); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	running, cut := context.WithCancel(context.WithoutCancel(ctx))
	var conns sync.WaitGroup
	err := accept(ctx, l, func(nc net.Conn) {
		conns.Go(func() {
			who := core.NewAuthContext(owner, owner.Credential.Key, call.ALPN, nc.RemoteAddr(), nil)
			_ = router.Dispatch(running, core.NewStreamConn(nc, call.ALPN), who)
		})
	})
	grace, cancel := context.WithTimeout(running, stopGrace)
	_ = server.Drain(grace)
	cancel()
	cut()
	conns.Wait()
	return err
}

// accept returns nil when ctx has ended.
func accept(ctx context.Context, l net.Listener, serve func(net.Conn)) error {
	const most = time.Second
	for delay := time.Duration(0); ; {
		nc, err := l.Accept()
		switch {
		case err == nil:
			delay = 0
			serve(nc)
			continue
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		}
		// Out of file descriptors, most likely.
		delay = min(max(2*delay, 5*time.Millisecond), most)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil
		}
	}
}
