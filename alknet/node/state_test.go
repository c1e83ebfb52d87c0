package node_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alkdev/alknet/alknet/node"
	"github.com/alkdev/alknet/core/auth"
)

func TestNotify(t *testing.T) {
	d := newDir(t)
	states := make(chan node.State, 8)
	n, err := node.New(t.Context(), node.Config{Dir: d.Path(), Listen: []string{"127.0.0.1:0"}, Logger: slog.New(slog.DiscardHandler),
		Notify: func(s node.State) { states <- s }})
	check(t, err)
	// Nobody has been told that the node is ready.
	_, err = n.Reload()
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	if s := <-states; s != node.Ready {
		t.Fatalf("first %v", s)
	}
	conn, err := net.Dial("tcp", n.Addrs()[0])
	check(t, err)
	conn.Close()
	check(t, n.Alive(t.Context()))
	check(t, os.WriteFile(d.Config(), []byte("nonsense = 1\n"), 0o600))
	if _, err := n.Reload(); err == nil {
		t.Error("a faulty configuration was taken")
	}
	cancel()
	check(t, <-ended)
	check(t, n.Alive(t.Context()))
	n.Reload()
	close(states)
	var got []node.State
	for s := range states {
		got = append(got, s)
	}
	if want := []node.State{node.Reloading, node.Ready, node.Stopping}; !slices.Equal(got, want) {
		t.Errorf("states %v, want %v", got, want)
	}
}

// TestAliveNeedsTheLoop: a node whose loop is not there is not alive.
func TestAliveNeedsTheLoop(t *testing.T) {
	d := newDir(t)
	n, err := node.New(t.Context(), node.Config{Dir: d.Path(), Listen: []string{"127.0.0.1:0"}, Logger: slog.New(slog.DiscardHandler)})
	check(t, err)
	defer n.Close()
	gone := errors.New("too long")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if err := n.Alive(ctx); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

func bound(t *testing.T) *net.TCPListener {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { ln.Close() })
	return ln.(*net.TCPListener)
}

func closed(ln *net.TCPListener) bool { return errors.Is(ln.Close(), net.ErrClosed) }

func TestSockets(t *testing.T) {
	d := newDir(t)
	check(t, os.WriteFile(d.Config(), []byte(`listen = ["127.0.0.1:1"]`), 0o600))
	var log strings.Builder
	ln := bound(t)
	addr := ln.Addr().String()
	n, err := node.New(t.Context(), node.Config{Dir: d.Path(), Sockets: []node.Socket{{TCP: ln}}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	check(t, err)
	defer n.Close()
	if got := n.Addrs(); !slices.Equal(got, []string{addr}) {
		t.Errorf("listens on %v, passed %s", got, addr)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "127.0.0.1:1") {
		t.Errorf("config.toml names another port, and the log says %q", log.String())
	}
	n.Close()
	if !closed(ln) {
		t.Error("the listener is left open")
	}

	// Config.toml that says the same, or nothing, is no reason to warn.
	log.Reset()
	ln = bound(t)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	check(t, os.WriteFile(d.Config(), []byte(`listen = [":`+port+`"]`), 0o600))
	n, err = node.New(t.Context(), node.Config{Dir: d.Path(), Sockets: []node.Socket{{TCP: ln}}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	check(t, err)
	n.Close()
	if log.Len() != 0 {
		t.Errorf("logged %q", log.String())
	}

	first, second := bound(t), bound(t)
	_, err = node.New(t.Context(), node.Config{Dir: d.Path(), Listen: []string{"127.0.0.1:0"}, Sockets: []node.Socket{{TCP: first}, {TCP: second}}})
	if err == nil || !strings.Contains(err.Error(), "leave one out") {
		t.Errorf("two lists: %v", err)
	}
	if !closed(first) || !closed(second) {
		t.Error("after an error the sockets are open")
	}
}

func TestKeyFile(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "d"), filepath.Join(t.TempDir(), "key")
	made, err := node.Init(t.Context(), dir, node.InitOptions{KeyFile: key})
	check(t, err)
	made.Words.Destroy()
	if _, err := os.Stat(filepath.Join(dir, "vault.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key beside the vault: %v", err)
	}
	if _, err := node.New(t.Context(), node.Config{Dir: dir, Listen: []string{"127.0.0.1:0"}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opened without the key: %v", err)
	}
	n, err := node.New(t.Context(), node.Config{Dir: dir, KeyFile: key, Listen: []string{"127.0.0.1:0"}, Logger: slog.New(slog.DiscardHandler)})
	check(t, err)
	defer n.Close()
	if n.ID() == (auth.NodeID{}) || n.ID() != made.ID {
		t.Errorf("node %s, made %s", n.ID(), made.ID)
	}
}
