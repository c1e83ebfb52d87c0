package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Cmd is an [exec.Cmd] that runs in a host. Its fields may be set before it is
// started, as those of an exec.Cmd.
//
// The process leads a process group of its own unless SysProcAttr was set; when
// the context or the lab ends, the whole group is killed. It never outlives the
// process that made the lab.
type Cmd struct {
	*exec.Cmd
	host *Host

	wait sync.Once
	err  error
}

// Command prepares a program that will run in the host. Its /etc/hosts names
// all hosts of the lab, its /etc/resolv.conf is empty, and its host name is the
// name of the host; all other files are those of the caller.
func (h *Host) Command(ctx context.Context, name string, arg ...string) *Cmd {
	c := &Cmd{Cmd: exec.CommandContext(ctx, name, arg...), host: h}
	c.Cancel = func() error { return kill(c.Cmd) }
	// A program of another group that holds the output open ends no Wait.
	c.WaitDelay = 5 * time.Second
	return c
}

// Start starts the program and does not wait for it.
func (c *Cmd) Start() error {
	if c.Dir == "" {
		// The thread of the host keeps the directory it was made in.
		dir, err := os.Getwd()
		if err != nil {
			return fmt.Errorf("start %s: %w", c.Path, err)
		}
		c.Dir = dir
	}
	lab := c.host.lab
	lab.mu.Lock()
	defer lab.mu.Unlock()
	if err := c.host.usable(); err != nil {
		return fmt.Errorf("start %s: %w", c.Path, err)
	}
	if err := c.host.ns.start(c.Cmd); err != nil {
		return err
	}
	lab.processes[c] = struct{}{}
	return nil
}

// Wait waits for the program that Start started, as [exec.Cmd.Wait] does. It may
// be called more than once and from several goroutines, and answers the same.
func (c *Cmd) Wait() error {
	if c.Process == nil {
		return c.Cmd.Wait()
	}
	c.wait.Do(func() {
		c.err = c.Cmd.Wait()
		c.host.lab.mu.Lock()
		defer c.host.lab.mu.Unlock()
		if !c.host.lab.closed {
			delete(c.host.lab.processes, c)
		}
	})
	return c.err
}

// Run starts the program and waits for it.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the program and returns what it wrote to its standard output. An
// [*exec.ExitError] holds the standard error, where that went nowhere else.
func (c *Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("netlab: Stdout already set")
	}
	var out, problems bytes.Buffer
	c.Stdout = &out
	if c.Stderr == nil {
		c.Stderr = &problems
	}
	err := c.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		exit.Stderr = problems.Bytes()
	}
	return out.Bytes(), err
}

// CombinedOutput runs the program and returns what it wrote to its standard
// output and its standard error.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stdout != nil || c.Stderr != nil {
		return nil, errors.New("netlab: Stdout or Stderr already set")
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}
