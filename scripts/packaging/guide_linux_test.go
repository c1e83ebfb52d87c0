package main

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/alkdev/alknet/scripts/guides"
)

// TestServiceGuide plays the guide as its reader: an account that may use sudo
// and logs in for each line.
func TestServiceGuide(t *testing.T) {
	g, err := guides.Parse("../../docs/guides/service.md")
	if err != nil {
		t.Fatal(err)
	}
	m := withProgram(t)
	m.do(t, `useradd --create-home --shell /bin/bash you
		echo 'you ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/you
		echo "127.0.0.1 $(hostname)" >>/etc/hosts
		install -D -m 755 alknet /home/you/go/bin/alknet
		rm /usr/local/bin/alknet`)
	// What runs on a terminal dies with the thread that started it.
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	home := &guides.Host{
		Home:  "/home/you",
		Files: filepath.Join(m.root, "home/you"),
		Command: func(name string, arg ...string) guides.Program {
			cmd := m.command(append([]string{"runuser", "--login", "--session-command", `exec "$@"`, "--", "you", "bash", name}, arg...)...)
			return guides.Program{Cmd: cmd, Start: cmd.Start, Wait: cmd.Wait}
		},
	}
	r := guides.Runner{Guide: g, Hosts: map[string]*guides.Host{"home": home}, State: "/tmp"}
	if err := r.Run(); err != nil {
		t.Error(err)
	}
}
