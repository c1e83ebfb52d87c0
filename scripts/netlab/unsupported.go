//go:build !linux

package netlab

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// Without Linux there is no lab: Open returns ErrUnsupported, so that nothing
// below is ever reached but newNamespace.

func errSystem() error {
	return fmt.Errorf("%w: it needs Linux, this is %s", ErrUnsupported, runtime.GOOS)
}

type namespace struct{ routes *routes }

func newNamespace(string, int) (*namespace, *os.File, error) { return nil, nil, errSystem() }

func (*namespace) setHosts(string) error { return errSystem() }
func (*namespace) do(func() error) error { return errSystem() }
func (*namespace) start(*exec.Cmd) error { return errSystem() }
func (*namespace) close()                {}
func kill(cmd *exec.Cmd) error           { return cmd.Process.Kill() }
func explain(err error) error            { return err }

type routes struct{}

func (*routes) add(netip.Addr) error          { return errSystem() }
func (*routes) remove(netip.Addr, bool) error { return errSystem() }
func (*routes) overrun() (uint64, error)      { return 0, errSystem() }

type alarm struct{}

func newAlarm() (*alarm, error)        { return nil, errSystem() }
func (*alarm) set(time.Duration) error { return errSystem() }
func (*alarm) wait() error             { return errSystem() }
func (*alarm) close()                  {}

// Rerun does nothing on this system.
func Rerun() (code int, ran bool) { return 0, false }
