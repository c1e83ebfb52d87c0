package datadir_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alkdev/alknet/alknet/internal/datadir"
)

func at(t *testing.T, path string) datadir.Dir {
	t.Helper()
	d, err := datadir.At(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func created(t *testing.T) datadir.Dir {
	t.Helper()
	d := at(t, filepath.Join(t.TempDir(), "node"))
	if err := d.Create(); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAt(t *testing.T) {
	t.Setenv(datadir.Environment, "/from/environment")
	if got := at(t, "").Path(); got != filepath.FromSlash("/from/environment") && runtime.GOOS != "windows" {
		t.Errorf("without a path: %q", got)
	}
	if got := at(t, "relative").Path(); !filepath.IsAbs(got) || filepath.Base(got) != "relative" {
		t.Errorf("relative path: %q", got)
	}
	t.Setenv(datadir.Environment, "")
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if got := at(t, "").Path(); filepath.Base(got) != "alknet" {
		t.Errorf("default: %q", got)
	}
	if runtime.GOOS == "linux" {
		t.Setenv("XDG_CONFIG_HOME", "")
		t.Setenv("HOME", "")
		if _, err := datadir.At(""); err == nil || !strings.Contains(err.Error(), "--data") {
			t.Errorf("without a home: %v", err)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name, version string // "" writes no file
		want          string // "" is no error
	}{
		{"empty", "", "no node here yet"},
		{"current", "1\n", ""},
		{"without end of line", "1", ""},
		{"newer", "2\n", "newer alknet"},
		{"much newer", "4000000000\n", "newer alknet"},
		{"zero", "0\n", "not a format number"},
		{"negative", "-1\n", "not a format number"},
		{"nonsense", "one\n", "not a format number"},
		{"no text", "\n", "not a format number"},
		{"huge", strings.Repeat("9", 400), "not a format number"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := created(t)
			if test.version != "" {
				if err := os.WriteFile(d.File("version"), []byte(test.version), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := d.Check()
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if got, want := errors.Is(err, datadir.ErrEmpty), test.name == "empty"; got != want {
				t.Errorf("ErrEmpty: %t", got)
			}
			var newer *datadir.VersionError
			if got, want := errors.As(err, &newer), strings.HasSuffix(test.name, "newer"); got != want {
				t.Errorf("VersionError: %t", got)
			}
		})
	}
}

func TestFinishMarksTheDirectory(t *testing.T) {
	d := created(t)
	if err := d.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := d.Check(); err != nil {
		t.Error(err)
	}
}

func TestCreateClosesToOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing there")
	}
	path := filepath.Join(t.TempDir(), "node")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	d := at(t, path)
	if err := d.Create(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{d.Path(), d.Certificates(), d.File("mail")} {
		fi, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v", p, fi.Mode().Perm())
		}
	}
}

func TestCreateLeavesOtherFoldersAlone(t *testing.T) {
	for _, test := range []struct {
		name  string
		files []string
		own   bool
	}{
		{"empty", nil, true},
		{"fresh file system", []string{"lost+found"}, true},
		{"project", []string{"main.go"}, false},
		{"hidden", []string{".git"}, false},
		{"folders called like ours", []string{"git", "mail", "files"}, false},
		{"file system in use", []string{"lost+found", "photos"}, false},
		{"interrupted", []string{"lock"}, true},
		{"vault", []string{"vault.age", "x"}, true},
		{"key", []string{"vault.key"}, true},
		{"version", []string{"version", "x"}, true},
		{"configuration", []string{"config.toml"}, true},
		{"peers from a backup", []string{"peers.toml"}, true},
		{"client only", []string{"known_nodes", "known_nodes.lock"}, true},
		{"saved nodes", []string{"nodes.toml"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := at(t, t.TempDir())
			if err := os.Chmod(d.Path(), 0o755); err != nil {
				t.Fatal(err)
			}
			for _, f := range test.files {
				if err := os.WriteFile(d.File(f), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := d.Create()
			if test.own {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, datadir.ErrForeign) || !strings.Contains(err.Error(), "--data") {
				t.Errorf("got %v", err)
			}
			entries, err := os.ReadDir(d.Path())
			if err != nil || len(entries) != len(test.files) {
				t.Errorf("%v, %v", entries, err)
			}
			if fi, err := os.Stat(d.Path()); err != nil || fi.Mode().Perm() != 0o755 && runtime.GOOS != "windows" {
				t.Errorf("mode %v, %v", fi.Mode(), err)
			}
		})
	}
}

// TestInterruptedCreate: the folder is known again at every point.
func TestInterruptedCreate(t *testing.T) {
	d := created(t)
	for _, left := range [][]string{{"lock", "certs", "fs"}, {"lock"}, nil} {
		entries, err := os.ReadDir(d.Path())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !slices.Contains(left, e.Name()) {
				os.Remove(d.File(e.Name()))
			}
		}
		if err := d.Create(); err != nil {
			t.Errorf("%v: %v", left, err)
		}
	}
}

func TestLockAdmitsOne(t *testing.T) {
	d := created(t)
	unlock, err := d.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Lock(); !errors.Is(err, datadir.ErrLocked) || !strings.Contains(err.Error(), "alknet stop") {
		t.Errorf("second lock: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := d.Lock()
	if err != nil {
		t.Fatal(err)
	}
	again()
	if _, err := at(t, filepath.Join(t.TempDir(), "nowhere")).Lock(); err == nil || errors.Is(err, datadir.ErrLocked) {
		t.Errorf("lock of no directory: %v", err)
	}
}

func TestLockSweepsWhatACrashLeft(t *testing.T) {
	d := created(t)
	left := d.File(".peers.toml.123")
	for _, p := range []string{left, d.Peers()} {
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	unlock, err := d.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := os.Stat(left); err == nil {
		t.Error("the leftover is still there")
	}
	if _, err := os.Stat(d.Peers()); err != nil {
		t.Error(err)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, want := range []string{"one", "a longer two", ""} {
		if err := datadir.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	if fi, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	// A folder stands where the file should go: nothing is left behind.
	blocked := filepath.Join(dir, "blocked")
	if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := datadir.WriteFile(blocked, []byte("x"), 0o600); err == nil || !strings.Contains(err.Error(), blocked) {
		t.Errorf("over a folder: %v", err)
	}
	if err := datadir.WriteFile(filepath.Join(dir, "no", "f"), nil, 0o600); err == nil {
		t.Error("into no folder: no error")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestReadersSeeWholeFiles: a reader needs no lock, since at every moment the
// name stands for a whole file.
func TestReadersSeeWholeFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be replaced there")
	}
	path := filepath.Join(t.TempDir(), "f")
	contents := []string{strings.Repeat("old", 3000), strings.Repeat("new!", 5000)}
	if err := datadir.WriteFile(path, []byte(contents[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				got, err := os.ReadFile(path)
				if err != nil || !slices.Contains(contents, string(got)) {
					t.Errorf("a reader met %d bytes, %v", len(got), err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for n := range 400 {
		if err := datadir.WriteFile(path, []byte(contents[n%2]), 0o600); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
}
