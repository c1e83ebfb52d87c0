package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/alkdev/alknet/alknet/internal/datadir"
)

// Name is what the service is called, its account too.
const Name = "alknet"

// Options say how the service is to run.
type Options struct {
	System  bool     // for the whole machine; else for the person who asks
	Program string   // absolute path of the program
	Data    string   // absolute data directory; empty means the default of the scope
	Listen  []string // addresses instead of config.toml's
	Socket  bool     // the service manager holds the port (systemd)
	Now     bool     // start it, too
}

// Status is what a service manager knows of the service.
type Status struct {
	Manager   string     `json:"manager"` // systemd, launchd, windows
	Scope     string     `json:"scope"`   // system, user
	Installed bool       `json:"installed"`
	Enabled   bool       `json:"enabled"` // starts by itself
	Running   bool       `json:"running"`
	State     string     `json:"state,omitempty"` // in the manager's words
	PID       int        `json:"pid,omitempty"`
	Since     *time.Time `json:"since,omitempty"` // in this state
	Unit      string     `json:"unit,omitempty"`  // the file that describes it
	Data      string     `json:"data,omitempty"`
	NodeID    string     `json:"node_id,omitempty"` // of the node that answers there
}

// A Manager starts services. Its methods change nothing; plans do.
type Manager interface {
	// Check reports whether plans of this scope can be run here and by this
	// user: an *UnsupportedError or a *PermissionError.
	Check(system bool, command string) error
	// Install plans how the service gets there, or gets to be as in o.
	Install(o Options) (Plan, error)
	// Uninstall plans how it goes away; the plan is empty where it is not.
	Uninstall(ctx context.Context, system bool) (Plan, error)
	// Status asks the manager.
	Status(ctx context.Context, system bool) (Status, error)
}

// An UnsupportedError says what cannot be done on this machine. It is an
// errors.ErrUnsupported.
type UnsupportedError struct{ What, Why, Do string }

func (e *UnsupportedError) Error() string { return e.What + ": " + e.Why + ": " + e.Do }

func (e *UnsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

// A PermissionError says who may do it. It is an fs.ErrPermission.
type PermissionError struct{ What, Do string }

func (e *PermissionError) Error() string { return e.What + ": " + e.Do }

func (e *PermissionError) Is(target error) bool { return target == fs.ErrPermission }

// A ForeignFileError names a file that is in the way and not ours.
type ForeignFileError struct{ Path string }

func (e *ForeignFileError) Error() string {
	return fmt.Sprintf("%s is there already and was not written by 'alknet service install': nothing was changed: look at it, move it away, and run this again (--dry-run shows what it would become)", e.Path)
}

// A CommandError is a command of a plan that failed.
type CommandError struct {
	Argv   []string
	Output string
	Err    error
}

func (e *CommandError) Error() string {
	out := strings.TrimSpace(e.Output)
	if out == "" {
		out = e.Err.Error()
	}
	return fmt.Sprintf("%s: %s", strings.Join(e.Argv, " "), out)
}

func (e *CommandError) Unwrap() error { return e.Err }

// A Host is the machine as this package sees it. Tests have their own.
type Host struct {
	Root string // before every path; empty outside of tests
	UID  int
	User string // name of the account
	Home string
	// Config is the person's folder for configuration.
	Config string
	// Run runs a command and returns what it wrote.
	Run func(ctx context.Context, argv ...string) (string, error)
}

// ThisHost is the machine and the account that this process runs on.
func ThisHost() (Host, error) {
	h := Host{UID: os.Getuid(), User: os.Getenv("USER"), Run: run}
	var err error
	if h.Home, err = os.UserHomeDir(); err != nil {
		return h, fmt.Errorf("find home folder: %w", err)
	}
	if h.Config, err = os.UserConfigDir(); err != nil {
		return h, fmt.Errorf("find configuration folder: %w", err)
	}
	return h, nil
}

func run(ctx context.Context, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	// su leaves the variable out by which a person's manager is found.
	if own := fmt.Sprintf("/run/user/%d", os.Getuid()); os.Getenv("XDG_RUNTIME_DIR") == "" {
		if _, err := os.Stat(own); err == nil {
			cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+own)
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = &CommandError{Argv: argv, Output: string(out), Err: err}
	}
	return string(out), err
}

func (h Host) path(p string) string {
	if h.Root == "" {
		return p
	}
	return filepath.Join(h.Root, p)
}

func (h Host) exists(p string) bool {
	_, err := os.Lstat(h.path(p))
	return err == nil
}

// checkFree refuses a folder that would be taken away from whatever it belongs
// to. One that cannot be looked into is for whoever runs the plan to judge.
func (h Host) checkFree(data string) error {
	d, err := datadir.At(h.path(data))
	if err != nil {
		return err
	}
	if err := d.CheckFree(); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}
