package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	suite    = "bookworm"
	contents = "systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,polkitd,sudo,curl,openssh-client,ca-certificates,iproute2"
)

// debian unpacks a minimal system into a folder of the test. The system is made
// once and kept in the user's cache folder.
func debian(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"debootstrap", "systemd-nspawn", "nsenter", "tar"} {
		need(t, program)
	}
	if os.Getuid() != 0 {
		t.Skip("a container that boots can be made by root only")
	}
	if out, err := exec.Command("unshare", "--mount", "--pid", "--net", "--fork", "true").CombinedOutput(); err != nil {
		t.Skipf("this kernel gives no namespaces: %s", out)
	}
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	command(t, "tar", "-xpf", debianTar(t), "--numeric-owner", "-C", root)
	return root
}

// making is held by the test that makes the system.
var making sync.Mutex

func debianTar(t *testing.T) string {
	t.Helper()
	making.Lock()
	defer making.Unlock()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cache = filepath.Join(cache, "alknet")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	key := sha256.Sum256([]byte(suite + " " + contents))
	file := filepath.Join(cache, fmt.Sprintf("debian-%s-%s-%s.tar", suite, runtime.GOARCH, hex.EncodeToString(key[:4])))
	if _, err := os.Stat(file); err == nil {
		return file
	}
	t.Logf("making a Debian system, for this and later runs: %s", file)
	work, err := os.MkdirTemp(cache, "new")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	root := filepath.Join(work, "root")
	command(t, "debootstrap", "--variant=minbase", "--include="+contents, suite, root)
	for _, dir := range []string{"var/cache/apt/archives", "var/lib/apt/lists", "usr/share/locale"} {
		os.RemoveAll(filepath.Join(root, dir))
	}
	command(t, "tar", "-cf", filepath.Join(work, "tar"), "--numeric-owner", "-C", root, ".")
	if err := os.Rename(filepath.Join(work, "tar"), file); err != nil {
		t.Fatal(err)
	}
	return file
}

// machine is a booted container: systemd as its first process, and no network
// but its own loopback.
type machine struct {
	root string
	init string // the first process, as seen from outside
}

// boot starts the system in root, and ends it with the test.
func boot(t *testing.T, root string) *machine {
	t.Helper()
	name := fmt.Sprintf("%s-%d", t.Name(), os.Getpid())
	cmd := exec.Command("systemd-nspawn", "-q", "-D", root, "--boot", "--private-network", "--register=no",
		"--keep-unit", "--link-journal=no", "--resolv-conf=off", "--timezone=off", "-M", name)
	var console bytes.Buffer
	cmd.Stdout, cmd.Stderr = &console, &console
	// The parent of Pdeathsig is a thread: it must live as long as the test.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start systemd-nspawn: %v", err)
	}
	up := false
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // powers the container off
		cut := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
		defer cut.Stop()
		<-ended
		os.RemoveAll("/run/systemd/nspawn/propagate/" + name)
		if !up {
			t.Logf("console:\n%s", console.String())
		}
	})
	m := &machine{root: root}
	until(t, "the container's first process", func() bool {
		m.init = firstProcess(cmd.Process.Pid)
		return m.init != ""
	})
	until(t, "the system's start", func() bool {
		state := m.run("systemctl is-system-running --wait").out
		up = state == "running\n" || state == "degraded\n"
		return up
	})
	return m
}

// firstProcess finds the child of nspawn that is process 1 in a namespace and
// has become systemd.
func firstProcess(nspawn int) string {
	list, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, path := range list {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fields := map[string]string{}
		for line := range strings.Lines(string(raw)) {
			key, value, _ := strings.Cut(line, ":")
			fields[key] = strings.TrimSpace(value)
		}
		ids := strings.Fields(fields["NSpid"])
		if fields["PPid"] == fmt.Sprint(nspawn) && fields["Name"] == "systemd" && len(ids) > 1 && ids[len(ids)-1] == "1" {
			return fields["Pid"]
		}
	}
	return ""
}

// until polls: what goes on in another system sends no event to this one.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-limit:
			t.Fatalf("waited a minute for %s", what)
		case <-tick.C:
		}
	}
}

// result is what a command line in the container printed and returned.
type result struct {
	line, out, err string
	code           int
}

// command is one that root runs in the container.
func (m *machine) command(arg ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"-t", m.init, "-a", "--", "/usr/bin/env", "-i", "HOME=/root", "LC_ALL=C", "TERM=dumb",
		"DEBIAN_FRONTEND=noninteractive", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, arg...)...)
}

// run has root's shell in the container run a line.
func (m *machine) run(line string) result {
	cmd := m.command("/bin/sh", "-c", "cd /root; "+line)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Run()
	return result{line, out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// do is run for a line that must succeed.
func (m *machine) do(t testing.TB, line string) string {
	t.Helper()
	r := m.run(line)
	if r.code != 0 {
		t.Fatalf("%s\n%s", r, m.run("journalctl -u alknet -n 30 --no-pager -o cat").out)
	}
	return strings.TrimSpace(r.out)
}

func (r result) String() string {
	return fmt.Sprintf("%s: exit code %d\nstdout: %s\nstderr: %s", r.line, r.code, r.out, r.err)
}

// give copies a file into root's home.
func (m *machine) give(t testing.TB, file, name string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(filepath.Join(m.root, "root", name), raw, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
