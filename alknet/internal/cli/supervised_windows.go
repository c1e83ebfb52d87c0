package cli

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/windows/svc"

	"github.com/alkdev/alknet/alknet/internal/service"
	"github.com/alkdev/alknet/alknet/node"
)

// supervised runs serve under the service control manager, if that started this
// process: stop and shutdown drain, a change of parameters is a reload.
func supervised(e *env, serve func(signals chan os.Signal, tell func(node.State)) error) error {
	signals := make(chan os.Signal, 4)
	if is, err := svc.IsWindowsService(); err != nil || !is {
		return serve(signals, nil)
	}
	closeLog, err := e.logToFile()
	if err != nil {
		return err
	}
	defer closeLog()
	h := &controlled{serve: serve, signals: signals}
	if err := svc.Run(service.Name, h); err != nil {
		return fmt.Errorf("answer the service manager: %w", err)
	}
	return h.err
}

// logToFile: a service has no standard error. Nothing else may write to the
// folder before it is known as a node's, hence Create.
func (e *env) logToFile() (done func(), err error) {
	d, err := e.dir()
	if err != nil {
		return nil, err
	}
	if err := d.Create(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(d.File("log", "service.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	os.Stderr, e.stderr, e.stdout = f, f, f
	return func() { f.Close() }, nil
}

// controlled is the node as the service control manager sees it.
type controlled struct {
	serve   func(chan os.Signal, func(node.State)) error
	signals chan os.Signal
	err     error // of serve
}

// waitHint is within what time a change of state shows progress.
const waitHint = 30 * time.Second

// Execute implements svc.Handler.
func (c *controlled) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (specific bool, code uint32) {
	hint := uint32(waitHint / time.Millisecond)
	now := svc.Status{State: svc.StartPending, WaitHint: hint}
	status <- now
	states := make(chan node.State, 4)
	ended := make(chan error, 1)
	go func() { ended <- c.serve(c.signals, func(s node.State) { states <- s }) }()
	progress := time.NewTicker(waitHint / 3)
	defer progress.Stop()
	for {
		select {
		case c.err = <-ended:
			if c.err != nil {
				return true, uint32(exitCode(c.err))
			}
			return false, 0
		case s := <-states:
			switch s {
			case node.Ready:
				now = svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown | svc.AcceptParamChange}
			case node.Stopping:
				now = svc.Status{State: svc.StopPending, WaitHint: hint}
			}
			status <- now
		case <-progress.C:
			if now.State != svc.Running {
				now.CheckPoint++
				status <- now
			}
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- now
			case svc.Stop, svc.Shutdown:
				now = svc.Status{State: svc.StopPending, WaitHint: hint}
				status <- now
				c.signals <- syscall.SIGTERM
			case svc.ParamChange:
				c.signals <- syscall.SIGHUP
			}
		}
	}
}
