package admin

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core/auth"
)

// TestClientRefusesAnotherUsersServer has another user listen, by a thread that
// takes his number for one call: the credentials of a socket are those of the
// call of listen (unix(7), SO_PEERCRED).
func TestClientRefusesAnotherUsersServer(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := l.(*net.UnixListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err = errors.Join(effective(65534), syscall.Listen(int(fd), 8), effective(0))
	}); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		if c, err := l.Accept(); err == nil {
			buf := make([]byte, 1)
			if n, _ := c.Read(buf); n > 0 {
				t.Error("the client spoke to another user's process")
			}
			c.Close()
		}
	}()
	if _, err := NewClient(path).Status(t.Context()); err == nil || errors.Is(err, ErrNotRunning) {
		t.Errorf("got %v", err)
	}
	<-accepted
}

// TestRootReachesAnotherUsersNode, and only where that user's own process is
// behind the socket.
func TestRootReachesAnotherUsersNode(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	for _, test := range []struct {
		name          string
		owner, server int
		reached       bool
	}{
		{"its own user's", 65534, 65534, true},
		{"a third one's", 65533, 65534, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := errors.Join(os.Chmod(dir, 0o700), os.Chown(dir, test.owner, -1)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "s")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := l.(*net.UnixListener).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			raw.Control(func(fd uintptr) {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				err = errors.Join(effective(uintptr(test.server)), syscall.Listen(int(fd), 8), effective(0))
			})
			if err != nil {
				t.Fatal(err)
			}
			end := served(t, l)
			st, err := NewClient(path).Status(t.Context())
			if reached := err == nil && st.PID == 7; reached != test.reached {
				t.Errorf("got %+v, %v", st, err)
			}
			end()
		})
	}
}

// served answers on l until end is called: the process is number 7.
func served(t *testing.T, l net.Listener) (end func()) {
	t.Helper()
	var r call.Registry
	if err := call.Query(&r, StatusName, func(context.Context, struct{}) (Status, error) { return Status{PID: 7}, nil }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, l, &call.Server{Registry: &r}, auth.Owner(auth.SSHKey("ssh-ed25519", nil)))
	}()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// effective changes the calling thread's user alone.
func effective(uid uintptr) error {
	keep := ^uintptr(0)
	if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, uid, keep); e != 0 {
		return e
	}
	return nil
}

// TestLinkToRootsNode: whoever owns the folder must not lead root to a node of
// root's own.
func TestLinkToRootsNode(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be led there")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer served(t, l)()

	theirs := t.TempDir()
	link := filepath.Join(theirs, "s")
	if err := errors.Join(os.Symlink(path, link), os.Chmod(theirs, 0o700), os.Chown(theirs, 65534, -1)); err != nil {
		t.Fatal(err)
	}
	if st, err := NewClient(link).Status(t.Context()); err == nil || errors.Is(err, ErrNotRunning) {
		t.Errorf("by the link: %+v, %v", st, err)
	}
	// A node that root runs there itself is reached.
	if err := os.Chown(dir, 65534, -1); err != nil {
		t.Fatal(err)
	}
	if st, err := NewClient(path).Status(t.Context()); err != nil || st.PID != 7 {
		t.Errorf("root's own: %+v, %v", st, err)
	}
}
