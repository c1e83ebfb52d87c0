package harness

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// tools builds programs, each once.
type tools struct {
	dir   string // of what is built from the workspace; removed at the end
	built map[string]string
}

func (t *tools) build(ctx context.Context, pkg string) (string, error) {
	if out, ok := t.built[pkg]; ok {
		return out, nil
	}
	out := filepath.Join(t.dir, fmt.Sprintf("%d-%s", len(t.built), executable(path.Base(pkg))))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := runQuietly(cmd); err != nil {
		return "", fmt.Errorf("build %s: %w", pkg, err)
	}
	t.built[pkg] = out
	return out, nil
}

// A pinned version, so that a figure can be had again.
var pinned = regexp.MustCompile(`^([a-z0-9][A-Za-z0-9._~/-]*)@(v[0-9]+\.[0-9]+\.[0-9]+[A-Za-z0-9.+-]*)$`)

func (t *tools) goPeer(ctx context.Context, pkg string) (string, error) {
	parts := pinned.FindStringSubmatch(pkg)
	if parts == nil {
		return "", fmt.Errorf("peer %q: want package@v1.2.3, a full version", pkg)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	key := sha256.Sum256([]byte(pkg + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH))
	dir := filepath.Join(cache, "bench-peers", fmt.Sprintf("%x", key[:8]))
	program := filepath.Join(dir, executable(programName(parts[1])))
	if _, err := os.Stat(program); err == nil {
		return program, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := install(ctx, pkg, dir); err != nil {
		return "", fmt.Errorf("build peer %s: %w", pkg, err)
	}
	_, err = os.Stat(program)
	return program, err
}

// install renames a folder that is complete, so that an interrupted build leaves
// nothing that looks finished.
func install(ctx context.Context, pkg, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(dir), "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	cmd := exec.CommandContext(ctx, "go", "install", "-trimpath", pkg)
	cmd.Dir = temporary
	cmd.Env = append(os.Environ(), "GOBIN="+temporary, "GOWORK=off", "CGO_ENABLED=0", "GOOS=", "GOARCH=")
	if err := runQuietly(cmd); err != nil {
		return err
	}
	if err := os.Rename(temporary, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil // if there is one already, another run was faster
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// programName is the last element of an import path that is no major version.
func programName(pkg string) string {
	if base := path.Base(pkg); !majorVersion.MatchString(base) {
		return base
	}
	return path.Base(path.Dir(pkg))
}

func executable(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}

func runQuietly(cmd *exec.Cmd) error {
	var complaint tail
	cmd.Stdout, cmd.Stderr = &complaint, &complaint
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, complaint.text())
	}
	return nil
}

// findProgram looks at PATH and where Debian keeps daemons.
func findProgram(name string) (string, error) {
	found, err := exec.LookPath(name)
	if err == nil || filepath.Base(name) != name {
		return found, err
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return found, nil
		}
	}
	return "", err
}

const versionLength = 100

// programVersion ignores the exit status: `sshd -V` and others tell and fail.
func programVersion(ctx context.Context, program string, args []string) string {
	if len(args) == 0 {
		args = []string{"--version"}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, program, args...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(strings.ToValidUTF8(line, ""))
		if strings.ContainsAny(line, "0123456789") && !strings.Contains(line, program) {
			return line[:min(len(line), versionLength)]
		}
	}
	return "version unknown"
}
