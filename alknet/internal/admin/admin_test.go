package admin_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/alkdev/alknet/alknet/internal/admin"
	"github.com/alkdev/alknet/alknet/internal/peerbook"
	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// socket is a path short enough for a socket address, in a private folder.
func socket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "alk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "admin.sock")
}

var owner = auth.Owner(auth.SSHKey("ssh-ed25519", nil))

func serve(t *testing.T, path string, r *call.Registry) {
	t.Helper()
	l, err := admin.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- admin.Serve(ctx, l, &call.Server{Registry: r, Limits: admin.Limits()}, owner) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestRequests(t *testing.T) {
	refused := errors.New("no such peer")
	stopped := make(chan bool, 2)
	path := socket(t)
	var r call.Registry
	backend := admin.Backend{
		Stop: func(now bool) { stopped <- now },
		Change: func(c peerbook.Change) error {
			if c.EnablePeer == "bob" {
				return nil
			}
			return refused
		},
		Identity: func() (admin.Identity, error) { return admin.Identity{Certificate: []byte{1}}, nil },
		Sign:     func(m []byte) ([]byte, error) { return append(m, '!'), nil },
	}
	reloads := 0
	err := errors.Join(backend.Register(&r),
		call.Query(&r, admin.StatusName, func(ctx context.Context, _ struct{}) (admin.Status, error) {
			if who := call.RequestFrom(ctx).Identity; who.Kind != auth.KindOwner {
				t.Errorf("the caller is %v", who)
			}
			return admin.Status{NodeID: "id", PID: 7}, nil
		}),
		call.Mutation(&r, admin.ReloadName, func(context.Context, struct{}) (admin.ReloadResult, error) {
			if reloads++; reloads > 1 {
				return admin.ReloadResult{}, admin.Refused(errors.New("config.toml:3: no"))
			}
			return admin.ReloadResult{NeedsRestart: []string{"log"}}, nil
		}, call.Fails(admin.ConfigRefused())))
	if err != nil {
		t.Fatal(err)
	}
	serve(t, path, &r)
	ctx, c := t.Context(), admin.NewClient(path)
	if s, err := c.Status(ctx); err != nil || s.NodeID != "id" || s.PID != 7 {
		t.Errorf("status: %+v, %v", s, err)
	}
	if r, err := c.Reload(ctx); err != nil || len(r.NeedsRestart) != 1 {
		t.Errorf("reload: %+v, %v", r, err)
	}
	if _, err := c.Reload(ctx); err == nil || err.Error() != "config.toml:3: no" {
		t.Errorf("refused reload: %v", err)
	}
	if err := c.Change(ctx, peerbook.Change{EnablePeer: "bob"}); err != nil {
		t.Errorf("change: %v", err)
	}
	if err := c.Change(ctx, peerbook.Change{EnablePeer: "eve"}); err == nil || err.Error() != refused.Error() {
		t.Errorf("refused change: %v", err)
	}
	if id, err := c.Identity(ctx); err != nil || len(id.Certificate) != 1 {
		t.Errorf("identity: %+v, %v", id, err)
	}
	if sig, err := c.Sign(ctx, []byte("m")); err != nil || string(sig) != "m!" {
		t.Errorf("sign: %q, %v", sig, err)
	}
	if _, err := c.Sign(ctx, make([]byte, 1<<20)); err == nil {
		t.Error("a request above the limit was taken")
	}
	for _, now := range []bool{false, true} {
		if err := c.Stop(ctx, now); err != nil || <-stopped != now {
			t.Errorf("stop now=%t: %v", now, err)
		}
	}
}

func TestNotRunning(t *testing.T) {
	path := socket(t)
	if _, err := admin.NewClient(path).Status(t.Context()); !errors.Is(err, admin.ErrNotRunning) {
		t.Errorf("no socket: %v", err)
	}
	if _, err := admin.NewClient(filepath.Join(path, "no", "admin.sock")).Status(t.Context()); err == nil {
		t.Error("no folder: no error")
	}
	// A node that was killed leaves its socket; the next one removes it.
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if _, err := admin.NewClient(path).Status(t.Context()); !errors.Is(err, admin.ErrNotRunning) {
		t.Errorf("stale socket: %v", err)
	}
	again, err := admin.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestFolderOpenToOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing there")
	}
	path := socket(t)
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Listen(path); err == nil || !strings.Contains(err.Error(), "0700") {
		t.Errorf("listen: %v", err)
	}
	if _, err := admin.NewClient(path).Status(t.Context()); err == nil || errors.Is(err, admin.ErrNotRunning) {
		t.Errorf("client: %v", err)
	}
}

func TestSocketIsClosedToOthers(t *testing.T) {
	path := socket(t)
	l, err := admin.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if fi, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}
