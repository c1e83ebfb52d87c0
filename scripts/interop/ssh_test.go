//go:build unix

package interop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sshConfig is a configuration file with the block that a person would paste.
// A program that asks questions fails the test.
func sshConfig(t testing.TB, c, n *node) string {
	t.Helper()
	block := c.alknet(t, "ssh-config", n.target(), "--alias", "box").want(t, 0).stdout
	return writeFile(t, "config", block)
}

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sshFlags make OpenSSH independent of who runs the test, and let it ask its
// questions by a program that leaves a trace.
func sshFlags(t testing.TB, config string) (flags []string, asked func() bool) {
	t.Helper()
	known := writeFile(t, "known_hosts", "")
	flags = []string{"-F", config, "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + known,
		"-o", "GlobalKnownHostsFile=" + known, "-o", "IdentityAgent=none"}
	return flags, func() bool {
		fi, err := os.Stat(known)
		return err != nil || fi.Size() > 0
	}
}

// ssh runs one command by the stock client, without an SSH key.
func ssh(t testing.TB, config string, arg ...string) outcome {
	t.Helper()
	return sshAs(t, config, []string{"-o", "IdentityFile=none"}, "box", arg...)
}

func sshAs(t testing.TB, config string, flags []string, host string, arg ...string) outcome {
	t.Helper()
	client := need(t, "ssh")
	trace := filepath.Join(t.TempDir(), "asked")
	ask := writeFile(t, "askpass", "#!/bin/sh\ntouch '"+trace+"'\nexit 1\n")
	if err := os.Chmod(ask, 0o700); err != nil {
		t.Fatal(err)
	}
	common, wrote := sshFlags(t, config)
	words := append([]string{"SSH_ASKPASS=" + ask, "SSH_ASKPASS_REQUIRE=force", client}, common...)
	words = append(append(append(words, flags...), host), arg...)
	got := run(t, "", need(t, "env"), words...)
	if _, err := os.Stat(trace); err == nil {
		t.Errorf("ssh asked a question; it says: %s", got.stderr)
	}
	if wrote() {
		t.Error("ssh wrote to known_hosts")
	}
	return got
}

func TestSSHByNodeKey(t *testing.T) {
	need(t, "ssh")
	n, c := serve(t), newClient(t)
	n.admit(t, "client", c.id)
	config := sshConfig(t, c, n)
	tests := []struct {
		name   string
		flags  []string
		host   string
		arg    []string
		stdout string
		code   int
	}{
		{name: "command", host: "box", arg: []string{"echo", "hello"}, stdout: "hello\n"},
		{name: "exit code", host: "box", arg: []string{"exit 42"}, code: 42},
		{name: "any user name", host: "nobody-of-that-name@box", arg: []string{"echo ok"}, stdout: "ok\n"},
		{name: "terminal", flags: []string{"-tt"}, host: "box", arg: []string{"test -t 0 && test -t 1 && echo tty; exit 5"}, stdout: "tty\r\n", code: 5},
		{name: "no terminal", host: "box", arg: []string{"test -t 0 || echo none"}, stdout: "none\n"},
		{name: "standard error apart", host: "box", arg: []string{"echo out; echo err >&2"}, stdout: "out\n"},
		{name: "over TCP", flags: []string{"-o", "ProxyCommand=" + program(t) + " --data " + c.dir + " proxy --via tcp " + n.target() + " alknet/ssh"}, host: "box", arg: []string{"echo tcp"}, stdout: "tcp\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := sshAs(t, config, append([]string{"-o", "IdentityFile=none"}, tt.flags...), tt.host, tt.arg...).want(t, tt.code)
			if got.stdout != tt.stdout {
				t.Errorf("stdout %q, want %q", got.stdout, tt.stdout)
			}
			if strings.Contains(got.stderr, "alknet:") {
				t.Errorf("stderr: %s", got.stderr)
			}
		})
	}
}

// The data directory's path is quoted for ssh, which reads it twice, and for
// the shell.
func TestSSHConfigQuotes(t *testing.T) {
	need(t, "ssh")
	n, c := serve(t), newClient(t)
	odd := filepath.Join(filepath.Dir(c.dir), "two words, 100% $HOME `x` #1")
	if err := os.Rename(c.dir, odd); err != nil {
		t.Fatal(err)
	}
	c.dir = odd
	n.admit(t, "client", c.id)
	if out := ssh(t, sshConfig(t, c, n), "echo", "quoted").want(t, 0).stdout; out != "quoted\n" {
		t.Errorf("stdout %q", out)
	}
}

func sshKey(t *testing.T) (private, public string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "id_ed25519")
	run(t, "", need(t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path).want(t, 0)
	return path, path + ".pub"
}

// A client without a data directory is a stranger to TLS; its SSH key says who
// it is.
func TestSSHBySSHKey(t *testing.T) {
	need(t, "ssh")
	n := serve(t)
	private, public := sshKey(t)
	n.admit(t, "laptop", public)
	stranger := &node{dir: filepath.Join(t.TempDir(), "none")}
	config := sshConfig(t, stranger, n)
	use := []string{"-o", "IdentitiesOnly=yes", "-o", "IdentityFile=" + private}
	if out := sshAs(t, config, use, "box", "echo", "by key").want(t, 0).stdout; out != "by key\n" {
		t.Errorf("stdout %q", out)
	}
	if _, err := os.Stat(stranger.dir); err == nil {
		t.Error("a stranger's dial made a data directory")
	}

	t.Run("unlisted key", func(t *testing.T) {
		other, _ := sshKey(t)
		got := sshAs(t, config, []string{"-o", "IdentitiesOnly=yes", "-o", "IdentityFile=" + other}, "box", "echo", "never").want(t, 255)
		if got.stdout != "" || !strings.Contains(got.stderr, "Permission denied (publickey)") {
			t.Errorf("stdout %q, stderr %q", got.stdout, got.stderr)
		}
	})
	t.Run("no key", func(t *testing.T) {
		got := ssh(t, config, "echo", "never").want(t, 255)
		if got.stdout != "" || !strings.Contains(got.stderr, "Permission denied (publickey)") {
			t.Errorf("stdout %q, stderr %q", got.stdout, got.stderr)
		}
	})
}

// Another node at the pinned address is noticed before ssh sees a byte.
func TestSSHWrongNode(t *testing.T) {
	need(t, "ssh")
	n, other := serve(t), serve(t)
	c := newClient(t)
	n.addr = other.addr
	got := ssh(t, sshConfig(t, c, n), "echo", "never").want(t, 255)
	if !strings.Contains(got.stderr, "is not node "+n.id) {
		t.Errorf("stderr %q", got.stderr)
	}
}
