//go:build unix

package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manager is a service manager of one service: it listens for what that says.
type manager struct {
	t       *testing.T
	said    *net.UnixConn
	address string
	data    string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "alk") // short enough for a socket
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &manager{t: t, address: filepath.Join(dir, "notify"), data: filepath.Join(dir, "data")}
	m.said, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.address, Net: "unixgram"})
	check(t, err)
	t.Cleanup(func() { m.said.Close() })
	return m
}

// start starts the node; sh learns its own number before it becomes the node.
func (m *manager) start(env []string, files []*os.File, args ...string) *exec.Cmd {
	m.t.Helper()
	script := `exec "$@"`
	if len(files) > 0 {
		script = fmt.Sprintf(`LISTEN_PID=$$ LISTEN_FDS=%d exec "$@"`, len(files))
	}
	cmd := exec.Command("sh", append([]string{"-c", script, "sh", "alknet", "serve", "--data", m.data}, args...)...)
	cmd.Env = append(append(os.Environ(), "NOTIFY_SOCKET="+m.address), env...)
	cmd.ExtraFiles = files
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	check(m.t, cmd.Start())
	m.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
		if m.t.Failed() {
			m.t.Log(log.String())
		}
	})
	return cmd
}

// hears returns the next message that is no answer to the watchdog, and how many
// of those came before.
func (m *manager) hears(want ...string) (beats int) {
	m.t.Helper()
	for buf := make([]byte, 4096); ; {
		check(m.t, m.said.SetReadDeadline(time.Now().Add(patience)))
		n, err := m.said.Read(buf)
		check(m.t, err)
		got := string(buf[:n])
		if got == "WATCHDOG=1" {
			if beats++; len(want) == 1 && want[0] == got {
				return beats
			}
			continue
		}
		if strings.HasPrefix(got, "EXTEND_TIMEOUT_USEC=") {
			continue
		}
		for _, w := range want {
			if !strings.Contains("\n"+got, "\n"+w) {
				m.t.Fatalf("heard %q, want %q", got, want)
			}
		}
		return beats
	}
}

func (m *manager) end(cmd *exec.Cmd, sig os.Signal) {
	m.t.Helper()
	check(m.t, cmd.Process.Signal(sig))
	m.hears("STOPPING=1", "STATUS=", "EXTEND_TIMEOUT_USEC=")
	check(m.t, cmd.Wait())
}

func TestNotifiesManager(t *testing.T) {
	m := newManager(t)
	cmd := m.start([]string{"WATCHDOG_USEC=300000"}, nil, "--listen", "127.0.0.1:0")
	m.hears("READY=1", "STATUS=serving on 127.0.0.1:")
	m.hears("WATCHDOG=1")
	m.hears("WATCHDOG=1")
	check(t, cmd.Process.Signal(syscall.SIGHUP))
	m.hears("RELOADING=1", "MONOTONIC_USEC=")
	m.hears("READY=1")
	out, err := exec.Command("alknet", "reload", "--data", m.data).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m.hears("RELOADING=1")
	m.hears("READY=1")
	m.end(cmd, syscall.SIGTERM)
}

func get(addr string) error {
	tr := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	resp, err := (&http.Client{Transport: tr, Timeout: patience}).Get("https://" + addr + "/healthz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// TestRestartRefusesNobody restarts a node whose port the manager holds, and
// connects before, between and after.
func TestRestartRefusesNobody(t *testing.T) {
	m := newManager(t)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	check(t, err)
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	check(t, err)
	defer f.Close()
	addr := ln.Addr().String()
	cmd := m.start(nil, []*os.File{f})
	m.hears("READY=1", "STATUS=serving on "+addr)
	check(t, get(addr))
	m.end(cmd, syscall.SIGTERM)

	answered := make(chan error, 1)
	nc, err := net.Dial("tcp4", addr)
	check(t, err)
	defer nc.Close()
	go func() { answered <- get(addr) }()
	cmd = m.start(nil, []*os.File{f})
	m.hears("READY=1")
	check(t, <-answered)
	check(t, get(addr))
	m.end(cmd, syscall.SIGINT)

	cmd = m.start(nil, []*os.File{f}, "--listen", "127.0.0.1:0")
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 2 {
		t.Errorf("sockets and --listen: exit code %d", code)
	}
}

// TestCrashIsNoBadUsage: a crash must not end with the exit code after which
// service managers give up.
func TestCrashIsNoBadUsage(t *testing.T) {
	m := newManager(t)
	cmd := m.start(nil, nil, "--listen", "127.0.0.1:0")
	m.hears("READY=1")
	check(t, cmd.Process.Signal(syscall.SIGABRT))
	cmd.Wait()
	if st := cmd.ProcessState.Sys().(syscall.WaitStatus); !st.Signaled() || st.Signal() != syscall.SIGABRT {
		t.Errorf("ended by %v", cmd.ProcessState)
	}
}
