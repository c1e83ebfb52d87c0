package datadir_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/alkdev/alknet/alknet/internal/datadir"
)

func socketOf(t *testing.T, d datadir.Dir) string {
	t.Helper()
	path, err := d.Socket()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSocket(t *testing.T) {
	short := at(t, "/d")
	if got := socketOf(t, short); got != short.File("admin.sock") {
		t.Errorf("short: %q", got)
	}
	long := "/" + strings.Repeat("d", 200)
	a, b := socketOf(t, at(t, long)), socketOf(t, at(t, long+"2"))
	if a == b {
		t.Errorf("two directories share %q", a)
	}
	if again := socketOf(t, at(t, long)); again != a {
		t.Errorf("%q is not stable: %q", a, again)
	}
	if len(a) > 103 {
		t.Errorf("%q has %d bytes, more than a socket address holds", a, len(a))
	}
}

func longDir(t *testing.T) datadir.Dir {
	t.Helper()
	d := at(t, filepath.Join(t.TempDir(), strings.Repeat("d", 60), strings.Repeat("e", 60)))
	if err := d.Create(); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPlaceSocket(t *testing.T) {
	d := longDir(t)
	placed, err := d.PlaceSocket()
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(d.File("socket")); err != nil || string(raw) != placed+"\n" {
		t.Errorf("left %q, %v", raw, err)
	}
	if got := socketOf(t, d); got != placed {
		t.Errorf("the node is at %q, clients look at %q", placed, got)
	}
	if err := d.RemoveSocket(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(d.File("socket")); err == nil {
		t.Error("the word is still there")
	}
	// A directory that was moved to a short path forgets the old place.
	short := at(t, shortFolder(t))
	if err := os.WriteFile(short.File("socket"), []byte(placed+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := short.PlaceSocket(); err != nil || got != short.File("admin.sock") || socketOf(t, short) != got {
		t.Errorf("got %q, %v", got, err)
	}
}

func shortFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "alk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestSocketThatTheNodeLeft: where the node runs is what it has said, not what
// this process would choose now.
func TestSocketThatTheNodeLeft(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing there")
	}
	parent := shortFolder(t)
	place := filepath.Join(parent, "x", "admin.sock")
	for _, test := range []struct {
		name, text string
		mode       os.FileMode // of the folder above the socket's
		want       string      // empty: refused
	}{
		{"private", place + "\n", 0o700, place},
		{"without end of line", place, 0o700, place},
		{"readable", place, 0o755, place},
		{"sticky", place, 0o777 | os.ModeSticky, place},
		{"open to all", place, 0o777, ""},
		{"open to the group", place, 0o775, ""},
		{"relative", "x/admin.sock", 0o700, ""},
		{"not clean", parent + "/../" + filepath.Base(parent) + "/x/admin.sock", 0o700, ""},
		{"other name", filepath.Join(parent, "x", "other.sock"), 0o700, ""},
		{"two lines", place + "\n" + place, 0o700, ""},
		{"NUL", parent + "/\x00/admin.sock", 0o700, ""},
		{"empty", "", 0o700, ""},
		{"long", "/" + strings.Repeat("x", 200) + "/admin.sock", 0o700, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.Chmod(parent, test.mode); err != nil {
				t.Fatal(err)
			}
			d := longDir(t)
			if err := os.WriteFile(d.File("socket"), []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := d.Socket()
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
	d := longDir(t)
	if err := os.WriteFile(d.File("socket"), []byte(filepath.Join(parent, "gone", "x", "admin.sock")), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := socketOf(t, d); strings.HasPrefix(got, parent) {
		t.Errorf("of a folder that is gone: %q", got)
	}
	if err := os.Remove(d.File("socket")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(place, d.File("socket")); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Socket(); err == nil {
		t.Errorf("a link: %q", got)
	}
}
