package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

// ForHost is the manager of this system.
func ForHost(h Host) (Manager, error) { return control{h}, nil }

// control is the service control manager of Windows. It knows services of the
// machine only.
type control struct{ host Host }

const (
	// account has no password and no rights but those that are given to it.
	account     = `NT SERVICE\` + Name
	displayName = "alknet node"
	description = displayName + ". " + mark + "."
)

func (c control) Check(_ bool, line string) error {
	if !windows.GetCurrentProcessToken().IsElevated() {
		return &PermissionError{"services are the administrators' to manage", "open a terminal as administrator and run: " + line}
	}
	return nil
}

func (c control) Install(o Options) (p Plan, err error) {
	if o.Socket {
		return p, &UnsupportedError{"have the service manager hold the port", "Windows passes no sockets to services", "leave --socket out"}
	}
	if o.Data == "" {
		o.Data = c.data()
	}
	if err := c.host.checkFree(o.Data); err != nil {
		return p, err
	}
	args := []string{"serve"}
	for _, a := range o.Listen {
		args = append(args, "--listen", a)
	}
	args = append(args, "--data", o.Data)
	p.Commands = append(p.Commands,
		Command{Argv: append([]string{"sc.exe", "create", Name, "start=", "auto", "obj=", account, "binPath=", o.Program}, args...),
			Do: func(context.Context) error { return create(o.Program, args) }},
		Command{Argv: []string{"mkdir", o.Data}, Do: func(context.Context) error { return os.MkdirAll(o.Data, 0o700) }},
		// The account of the service, administrators and the system, nobody else.
		command("icacls", o.Data, "/inheritance:r", "/grant:r", account+":(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F", "*S-1-5-18:(OI)(CI)F", "/Q"))
	if o.Now {
		p.Commands = append(p.Commands, Command{Argv: []string{"sc.exe", "start", Name}, Do: start})
	} else {
		p.Notes = append(p.Notes, "it starts with the machine; at once: sc.exe start "+Name)
	}
	p.Notes = append(p.Notes, "data: "+o.Data, "log: "+filepath.Join(o.Data, "log", "service.log"))
	return p, nil
}

// create makes the service, or changes the one that it has made before.
func create(program string, args []string) error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("reach the service manager: %w", err)
	}
	defer m.Disconnect()
	want := mgr.Config{
		ServiceType:      windows.SERVICE_WIN32_OWN_PROCESS,
		StartType:        mgr.StartAutomatic,
		ErrorControl:     mgr.ErrorNormal,
		ServiceStartName: account,
		DisplayName:      displayName,
		Description:      description,
		SidType:          windows.SERVICE_SID_TYPE_UNRESTRICTED,
	}
	s, err := m.OpenService(Name)
	if err == nil {
		defer s.Close()
		now, err := s.Config()
		if err != nil {
			return fmt.Errorf("read service %s: %w", Name, err)
		}
		if !strings.Contains(now.Description, mark) {
			return &ForeignFileError{"the service " + Name}
		}
		want.BinaryPathName = commandLine(program, args)
		if err := s.UpdateConfig(want); err != nil {
			return fmt.Errorf("change service %s: %w", Name, err)
		}
		return recovery(s)
	}
	if s, err = m.CreateService(Name, program, want, args...); err != nil {
		return fmt.Errorf("create service %s: %w", Name, err)
	}
	defer s.Close()
	return recovery(s)
}

// recovery starts it again after a failure, be it a crash or an exit code.
func recovery(s *mgr.Service) error {
	again := mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: 5 * time.Second}
	if err := s.SetRecoveryActions([]mgr.RecoveryAction{again, again, again}, uint32(24*time.Hour/time.Second)); err != nil {
		return fmt.Errorf("have service %s started again after a failure: %w", Name, err)
	}
	if err := s.SetRecoveryActionsOnNonCrashFailures(true); err != nil {
		return fmt.Errorf("have service %s started again after a failure: %w", Name, err)
	}
	return nil
}

func commandLine(program string, args []string) string {
	words := []string{windows.EscapeArg(program)}
	for _, a := range args {
		words = append(words, windows.EscapeArg(a))
	}
	return strings.Join(words, " ")
}

func start(context.Context) error {
	return withService(func(s *mgr.Service) error {
		if err := s.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
			return fmt.Errorf("start service %s: %w", Name, err)
		}
		return nil
	})
}

var errAbsent = errors.New("the service is not installed")

func withService(do func(*mgr.Service) error) error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("reach the service manager: %w", err)
	}
	defer m.Disconnect()
	s, err := m.OpenService(Name)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return errAbsent
	}
	if err != nil {
		return fmt.Errorf("open service %s: %w", Name, err)
	}
	defer s.Close()
	return do(s)
}

func (c control) Uninstall(ctx context.Context, system bool) (p Plan, err error) {
	now, err := c.Status(ctx, system)
	if err != nil || !now.Installed {
		return p, err
	}
	p.Commands = append(p.Commands,
		Command{Argv: []string{"sc.exe", "stop", Name}, Do: stop},
		Command{Argv: []string{"sc.exe", "delete", Name}, Do: remove})
	p.Notes = append(p.Notes, "the data stays in "+now.Data)
	return p, nil
}

// stop waits until the node has drained.
func stop(ctx context.Context) error {
	return withService(func(s *mgr.Service) error {
		st, err := s.Control(svc.Stop)
		if errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
			return nil
		}
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for err == nil && st.State != svc.Stopped {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			st, err = s.Query()
		}
		if err != nil {
			return fmt.Errorf("stop service %s: %w", Name, err)
		}
		return nil
	})
}

func remove(context.Context) error {
	return withService(func(s *mgr.Service) error {
		now, err := s.Config()
		if err != nil {
			return fmt.Errorf("read service %s: %w", Name, err)
		}
		if !strings.Contains(now.Description, mark) {
			return &ForeignFileError{"the service " + Name}
		}
		if err := s.Delete(); err != nil {
			return fmt.Errorf("remove service %s: %w", Name, err)
		}
		return nil
	})
}

func (c control) Status(context.Context, bool) (Status, error) {
	st := Status{Manager: "windows", Scope: scope(true)}
	err := withService(func(s *mgr.Service) error {
		config, err := s.Config()
		if err != nil {
			return fmt.Errorf("read service %s: %w", Name, err)
		}
		now, err := s.Query()
		if err != nil {
			return fmt.Errorf("read service %s: %w", Name, err)
		}
		st.Installed, st.Enabled = true, config.StartType == mgr.StartAutomatic
		st.Running, st.PID, st.State = now.State == svc.Running, int(now.ProcessId), stateName(now.State)
		if argv, err := windows.DecomposeCommandLine(config.BinaryPathName); err == nil && len(argv) > 1 && argv[len(argv)-2] == "--data" {
			st.Data = argv[len(argv)-1]
		}
		return nil
	})
	if errors.Is(err, errAbsent) {
		err = nil
	}
	return st, err
}

func stateName(s svc.State) string {
	return map[svc.State]string{
		svc.Stopped: "stopped", svc.StartPending: "starting", svc.StopPending: "stopping", svc.Running: "running",
		svc.ContinuePending: "continuing", svc.PausePending: "pausing", svc.Paused: "paused",
	}[s]
}

func (c control) data() string {
	base := os.Getenv("ProgramData")
	if base == "" {
		base = `C:\ProgramData`
	}
	return filepath.Join(base, Name)
}
