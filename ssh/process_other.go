//go:build !unix

package ssh

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	gossh "golang.org/x/crypto/ssh"
)

type command struct {
	path     string
	argv     []string
	env      []string
	dir      string
	terminal *terminalRequest
}

type process struct{}

func startProcess(command) (*process, error) {
	return nil, fmt.Errorf("this node runs on %s, where it cannot run commands for peers: %w", runtime.GOOS, errors.ErrUnsupported)
}

func (*process) run(gossh.Channel)       {}
func (*process) hangUp(context.Context)  {}
func (*process) signal(string) error     { return errors.ErrUnsupported }
func (*process) resize(windowSize) error { return errors.ErrUnsupported }
func isNotExist(error) bool              { return false }
