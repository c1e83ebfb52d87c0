//go:build unix

package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestBannerWorks runs what 'alknet serve' tells a person to try, letter by
// letter, in the folder in which it was started.
func TestBannerWorks(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Skip("no ssh here")
	}
	for _, test := range []struct {
		name  string
		data  string // given as; empty: the default
		tells string // the start of the command that is shown
	}{
		{"default", "", "alknet ssh-config "},
		{"default by name", "$default", "alknet ssh-config "},
		{"relative folder with a space", "my data", "alknet --data 'my data' ssh-config "},
	} {
		t.Run(test.name, func(t *testing.T) {
			home := t.TempDir()
			standard := filepath.Join(home, "standard")
			b := banner{t: t, dir: home, env: append(os.Environ(), "HOME="+home, "ALKNET_DATA="+standard, "SHELL=/bin/sh")}
			args := []string{"serve", "--listen", "127.0.0.1:0"}
			switch test.data {
			case "":
			case "$default":
				args = append(args, "--data", standard)
			default:
				args = append(args, "--data", test.data)
			}
			lines := b.serve(args)
			config, connect, add := lines["ssh-config"], lines["ssh -F"], lines["peer add"]
			if !strings.HasPrefix(config, test.tells) {
				t.Errorf("shown %q, want %q", config, test.tells)
			}
			b.sh(config, "")
			if got := b.sh(connect, "echo al''ive\n"); !strings.Contains(got, "alive") {
				t.Errorf("%s: %q", connect, got)
			}
			key := strings.NewReplacer("NAME", "x", "KEY", "SHA256:"+strings.Repeat("ab", 32))
			b.sh(key.Replace(add), "")
		})
	}
}

type banner struct {
	t   *testing.T
	dir string
	env []string
}

// serve starts the program and finds the lines that it shows.
func (b banner) serve(args []string) map[string]string {
	b.t.Helper()
	cmd := exec.Command("alknet", args...)
	cmd.Dir, cmd.Env = b.dir, b.env
	out, err := cmd.StdoutPipe()
	check(b.t, err)
	check(b.t, cmd.Start())
	b.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			b.t.Error(err)
		}
	})
	lines := map[string]string{}
	for s := bufio.NewScanner(out); len(lines) < 3; {
		if !s.Scan() {
			b.t.Fatalf("found %q alone", lines)
		}
		for _, what := range []string{"ssh-config", "ssh -F", "peer add"} {
			if strings.Contains(s.Text(), what) {
				lines[what] = strings.TrimSpace(s.Text())
			}
		}
	}
	return lines
}

func (b banner) sh(command, input string) string {
	b.t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir, cmd.Env, cmd.Stdin = b.dir, b.env, strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.t.Fatalf("%s: %v: %s", command, err, out)
	}
	return string(out)
}
