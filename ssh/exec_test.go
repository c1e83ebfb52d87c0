//go:build unix

package ssh_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/ssh"
)

func TestExec(t *testing.T) {
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, func(s *ssh.Server) { s.Env = []string{"FROM=config"} })
	client := n.dial(signer)
	tests := []struct {
		name, command, stdin, stdout, stderr string
		status                               int
		signal                               string
	}{
		{name: "output", command: "echo out", stdout: "out\n"},
		{name: "stderr apart", command: "echo out; echo err >&2", stdout: "out\n", stderr: "err\n"},
		{name: "status 1", command: "exit 1", status: 1},
		{name: "status 42", command: "exit 42", status: 42},
		{name: "status 255", command: "exit 255", status: 255},
		{name: "not found", command: "no-such-command-here 2>/dev/null", status: 127},
		{name: "stdin to its end", command: "wc -c", stdin: "12345", stdout: "5\n"},
		{name: "killed by a signal", command: "kill -TERM $$", signal: "TERM"},
		{name: "killed by a signal outside the RFC", command: "kill -XCPU $$", signal: "XCPU@alknet"},
		{name: "its own environment", command: "echo $FROM $ALKNET_PEER", stdout: "config laptop\n"},
		{name: "SSH_CONNECTION", command: "set -- $SSH_CONNECTION; echo $# $1", stdout: "4 127.0.0.1\n"},
		{name: "background job without our pipes", command: "sleep 100 >/dev/null 2>&1 </dev/null & kill $!; echo on", stdout: "on\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := client.NewSession()
			check(t, err)
			defer s.Close()
			var stdout, stderr bytes.Buffer
			s.Stdin, s.Stdout, s.Stderr = strings.NewReader(tt.stdin), &stdout, &stderr
			err = s.Run(tt.command)
			status, signal := 0, ""
			var exit *gossh.ExitError
			if errors.As(err, &exit) {
				status, signal = exit.ExitStatus(), exit.Signal()
			} else if err != nil {
				t.Fatal(err)
			}
			if signal == "" && status != tt.status || signal != tt.signal || strings.TrimLeft(stdout.String(), " ") != tt.stdout || stderr.String() != tt.stderr {
				t.Errorf("status %d signal %q stdout %q stderr %q", status, signal, stdout.String(), stderr.String())
			}
		})
	}
}

func TestExecEveryStatus(t *testing.T) {
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil)
	client := n.dial(signer)
	for status := range 256 {
		s, err := client.NewSession()
		check(t, err)
		err = s.Run(fmt.Sprintf("exit %d", status))
		var exit *gossh.ExitError
		got := 0
		if errors.As(err, &exit) {
			got = exit.ExitStatus()
		} else if err != nil {
			t.Fatal(err)
		}
		if got != status {
			t.Errorf("exit %d came back as %d", status, got)
		}
		s.Close()
	}
}

// TestExecLarge moves 16 MiB through cat, across several key exchanges.
func TestExecLarge(t *testing.T) {
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil)
	cfg := n.client(signer)
	cfg.RekeyThreshold = 2 << 20
	client, err := gossh.Dial("tcp", n.addr, cfg)
	check(t, err)
	defer client.Close()
	s, err := client.NewSession()
	check(t, err)
	const size = 16 << 20
	sent, received := sha256.New(), sha256.New()
	s.Stdin = io.TeeReader(io.LimitReader(pattern{}, size), sent)
	s.Stdout = received
	check(t, s.Run("cat"))
	if !bytes.Equal(sent.Sum(nil), received.Sum(nil)) {
		t.Error("cat returned something else")
	}
}

type pattern struct{}

func (pattern) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i * 7)
	}
	return len(p), nil
}
