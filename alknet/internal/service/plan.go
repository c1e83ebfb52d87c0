package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/core/auth"
)

// mark is in the first lines of every file that a plan has written.
const mark = "Written by 'alknet service install'"

// A Plan is what is to be done, in this order: commands that stop, files
// written, files removed, commands.
type Plan struct {
	Before   []Command
	Files    []File
	Remove   []string
	Commands []Command
	Notes    []string // for the person, afterwards
}

// A File is one to be written.
type File struct {
	Path    string
	Content string
}

// A Command is a program to run, or a function that is shown as one.
type Command struct {
	Argv []string
	Do   func(context.Context) error // instead of running Argv, if set
	// MayFail: it cleans up what may not be there.
	MayFail bool
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool {
	return len(p.Before)+len(p.Files)+len(p.Remove)+len(p.Commands) == 0
}

// Print shows the plan.
func (p Plan) Print(w io.Writer) {
	commands := func(list []Command) {
		for _, c := range list {
			fmt.Fprintf(w, "$ %s\n", auth.JoinArgv(c.Argv))
		}
	}
	commands(p.Before)
	for _, f := range p.Files {
		fmt.Fprintf(w, "==> %s\n%s\n", f.Path, f.Content)
	}
	for _, path := range p.Remove {
		fmt.Fprintf(w, "$ %s\n", auth.JoinArgv([]string{"rm", path}))
	}
	commands(p.Commands)
}

// Run does it. What was done before a failure stays done, and running a new plan
// goes on from there.
func (p Plan) Run(ctx context.Context, h Host) error {
	for _, f := range p.Files {
		if _, err := h.state(f); err != nil {
			return err
		}
	}
	if err := h.runAll(ctx, p.Before); err != nil {
		return err
	}
	for _, f := range p.Files {
		path := h.path(f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", f.Path, err)
		}
		if same, _ := h.state(f); same {
			continue
		}
		if err := datadir.WriteFile(path, []byte(f.Content), 0o644); err != nil {
			return err
		}
	}
	for _, path := range p.Remove {
		if err := os.Remove(h.path(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", path, err)
		}
		if strings.HasSuffix(filepath.Dir(path), ".d") {
			os.Remove(h.path(filepath.Dir(path))) // if nothing else is in it
		}
	}
	return h.runAll(ctx, p.Commands)
}

func (h Host) runAll(ctx context.Context, list []Command) error {
	for _, c := range list {
		var err error
		if c.Do != nil {
			err = c.Do(ctx)
		} else {
			_, err = h.Run(ctx, c.Argv...)
		}
		if err != nil && !c.MayFail {
			return err
		}
	}
	return nil
}

// state reports whether f is there as it is to be; a *ForeignFileError says that
// somebody else's file is.
func (h Host) state(f File) (same bool, err error) {
	raw, err := h.read(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case string(raw) == f.Content:
		return true, nil
	case !marked(raw):
		return false, &ForeignFileError{f.Path}
	}
	return false, nil
}

// unchanged reports whether all files are there as they are to be.
func (h Host) unchanged(files []File) bool {
	for _, f := range files {
		if same, err := h.state(f); !same || err != nil {
			return false
		}
	}
	return true
}

// ours lists which of the paths a plan has written.
func (h Host) ours(paths ...string) (out []string) {
	for _, p := range paths {
		if raw, err := h.read(p); err == nil && marked(raw) {
			out = append(out, p)
		}
	}
	return out
}

const maxFile = 64 << 10

// read refuses what is no file, such as the link by which a unit is masked.
func (h Host) read(path string) ([]byte, error) {
	fi, err := os.Lstat(h.path(path))
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxFile {
		return nil, &ForeignFileError{path}
	}
	return os.ReadFile(h.path(path))
}

func marked(raw []byte) bool {
	head := string(raw[:min(len(raw), 512)])
	return strings.Contains(head, mark)
}
