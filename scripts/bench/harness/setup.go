package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Setup prepares a row, in the process that starts the samples. What it sets is
// handed to every sample; what it starts should end in a Cleanup.
type Setup struct {
	ctx      context.Context
	dir      string
	tools    *tools
	quick    bool
	values   map[string]string
	versions map[string]string
	cleanups []func()
}

// Context ends when the harness is interrupted.
func (s *Setup) Context() context.Context { return s.ctx }

// Dir is an empty folder of the row's own, removed after its last sample.
func (s *Setup) Dir() string { return s.dir }

// Quick says that figures do not matter: prepare less.
func (s *Setup) Quick() bool { return s.quick }

// Set hands a value to the row's samples: [Run.Value], and ${key} in [Program].
func (s *Setup) Set(key, value string) { s.values[key] = value }

// Value is what was Set.
func (s *Setup) Value(key string) string { return s.values[key] }

// Cleanup runs f after the row's last sample; the last one added comes first.
func (s *Setup) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

// Command is exec.CommandContext for a program that ends with the row. Its output
// goes nowhere and its errors to standard error unless changed.
func (s *Setup) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.ctx, name, args...)
	cmd.Stderr = os.Stderr
	dieWithParent(cmd)
	return cmd
}

// Helper is Command for one of the suite's Helpers.
func (s *Setup) Helper(name string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return s.Command(self, append([]string{helperMode, name}, args...)...), nil
}

// Build compiles a package of the current workspace, without cgo and stripped,
// once however many rows ask for it, and sets key to the program's path.
func (s *Setup) Build(key, pkg string) error {
	path, err := s.tools.build(s.ctx, pkg)
	s.values[key] = path
	return err
}

// GoPeer builds a program from the module proxy at a pinned version, such as
// "example.org/module/cmd/program@v1.2.3", without the workspace and without cgo.
// It is kept in the user's cache folder. Its path is set as key, its version goes
// into the report.
func (s *Setup) GoPeer(key, pkg string) error {
	path, err := s.tools.goPeer(s.ctx, pkg)
	if err != nil {
		return err
	}
	s.values[key] = path
	name, version, _ := strings.Cut(pkg, "@")
	s.versions[name] = version
	return nil
}

// SystemPeer looks for an installed program and sets key to its path; the row is
// skipped, with the name of the package in the reason, if there is none. The
// program run with versionArgs tells its version, the first line with a digit.
func (s *Setup) SystemPeer(key, program, debianPackage string, versionArgs ...string) error {
	path, err := findProgram(program)
	if err != nil {
		return Skip("%s is not installed (Debian package %s)", program, debianPackage)
	}
	s.values[key] = path
	s.versions[program] = programVersion(s.ctx, path, versionArgs)
	return nil
}

// prepare sets a row up; close the result.
func (b *bench) prepare(ctx context.Context, r Row) (_ *Setup, err error) {
	s := &Setup{ctx: ctx, tools: b.tools, quick: b.options.quick, values: map[string]string{}, versions: map[string]string{}}
	if s.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return nil, err
	}
	s.Cleanup(func() { os.RemoveAll(s.dir) })
	if r.Setup == nil {
		return s, nil
	}
	if err := r.Setup(s); err != nil {
		s.close()
		return nil, fmt.Errorf("set up: %w", err)
	}
	return s, nil
}

func (s *Setup) close() {
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
}

// sampleDir is made by the parent, so that it goes away even when a sample is killed.
func (s *Setup) sampleDir() (string, error) {
	return os.MkdirTemp(s.dir, "sample-")
}
