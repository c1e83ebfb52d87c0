package dial_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/alkdev/alknet/core/dial"
)

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestKnownNodesRanks(t *testing.T) {
	ctx := t.Context()
	k := &dial.KnownNodes{Path: filepath.Join(t.TempDir(), "known_nodes")}
	const name = "node.example:4433"
	a, b := newNode(t).id.Key(), newNode(t).id.Key()
	step := func(what string, err error, want dial.Known) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got, err := k.Lookup(name); err != nil || got != want {
			t.Fatalf("%s: got %+v, %v, want %+v", what, got, err, want)
		}
	}
	step("nothing", nil, dial.Known{})
	step("tofu", k.RecordTOFU(ctx, name, a), dial.Known{TOFU: a})
	step("same tofu", k.RecordTOFU(ctx, name, a), dial.Known{TOFU: a})
	if err := k.RecordTOFU(ctx, name, b); err == nil {
		t.Error("tofu replaced tofu")
	}
	step("ca replaces tofu", k.RecordCA(ctx, name), dial.Known{CA: true})
	if err := k.RecordTOFU(ctx, name, a); err == nil {
		t.Error("tofu beside ca")
	}
	step("pin", k.RecordPin(ctx, name, a), dial.Known{CA: true, Pin: a})
	step("new pin", k.RecordPin(ctx, name, b), dial.Known{CA: true, Pin: b})
	if err := k.RecordTOFU(ctx, name, b); err == nil {
		t.Error("tofu beside pin")
	}
	step("another name", k.RecordTOFU(ctx, "[::1]:1", a), dial.Known{CA: true, Pin: b})
	found, err := k.Forget(ctx, name)
	step("forget", err, dial.Known{})
	if again, _ := k.Forget(ctx, name); !found || again {
		t.Errorf("Forget said %v, then %v", found, again)
	}
	if got, _ := k.Lookup("[::1]:1"); got != (dial.Known{TOFU: a}) {
		t.Errorf("the other name: got %+v", got)
	}
	for _, name := range []string{"", "-x:1", "x", "X:1", "a b:1", "x:1\ny:1"} {
		if err := k.RecordCA(ctx, name); err == nil {
			t.Errorf("%q was recorded", name)
		}
	}
	if st, err := os.Stat(k.Path); err != nil || runtime.GOOS != "windows" && st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

func TestKnownNodesKeepsComments(t *testing.T) {
	k := &dial.KnownNodes{Path: filepath.Join(t.TempDir(), "known_nodes")}
	writeFile(t, k.Path, "# mine\n\nb.example:1 ca\n# yours\n")
	if err := k.RecordCA(t.Context(), "a.example:1"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(k.Path)
	if want := "# mine\n\nb.example:1 ca\n# yours\na.example:1 ca\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestKnownNodesBadLines(t *testing.T) {
	key := newNode(t).id.Key().String()
	for name, line := range map[string]string{
		"no how":       "a.example:1",
		"unknown how":  "a.example:1 maybe " + key,
		"no key":       "a.example:1 tofu",
		"bad key":      "a.example:1 tofu ed25519:00",
		"key with ca":  "a.example:1 ca " + key,
		"extra field":  "a.example:1 pin " + key + " x",
		"two spaces":   "a.example:1  ca",
		"trailing":     "a.example:1 ca ",
		"no port":      "a.example ca",
		"upper case":   "A.example:1 ca",
		"dash":         "-a:1 ca",
		"node id":      newNode(t).id.String() + " ca",
		"duplicate":    "ok.example:1 ca",
		"too long":     strings.Repeat("x", 5000) + ":1 ca",
		"raw node key": "a.example:1 pin " + newNode(t).id.String(),
	} {
		t.Run(name, func(t *testing.T) {
			k := &dial.KnownNodes{Path: filepath.Join(t.TempDir(), "known_nodes")}
			content := "# first\nok.example:1 ca\n" + line + "\nlast.example:1 ca\n"
			writeFile(t, k.Path, content)
			_, err := k.Lookup("ok.example:1")
			var ke *dial.KnownNodesError
			if !errors.As(err, &ke) || ke.Line != 3 || ke.File != k.Path {
				t.Fatalf("got %v", err)
			}
			if err := k.RecordCA(t.Context(), "new.example:1"); !errors.As(err, &ke) {
				t.Errorf("record: got %v", err)
			}
			if got, _ := os.ReadFile(k.Path); string(got) != content {
				t.Error("the file was changed")
			}
		})
	}
}

func TestKnownNodesLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "known_nodes")
	var wg sync.WaitGroup
	const writers, each = 8, 10
	for w := range writers {
		wg.Go(func() {
			k := &dial.KnownNodes{Path: path} // as another process would
			for i := range each {
				if err := k.RecordCA(t.Context(), fmt.Sprintf("n%d-%d.example:1", w, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	k := &dial.KnownNodes{Path: path}
	for w := range writers {
		for i := range each {
			if got, err := k.Lookup(fmt.Sprintf("n%d-%d.example:1", w, i)); err != nil || !got.CA {
				t.Fatalf("writer %d lost entry %d: %v", w, i, err)
			}
		}
	}
}

func TestKnownNodesLockHonoursContext(t *testing.T) {
	k := &dial.KnownNodes{Path: filepath.Join(t.TempDir(), "missing", "known_nodes")}
	if err := k.RecordCA(t.Context(), "a.example:1"); err == nil {
		t.Error("wrote into a missing directory")
	}
	k = &dial.KnownNodes{}
	if err := k.RecordCA(t.Context(), "a.example:1"); err == nil {
		t.Error("wrote into no file")
	}
	if _, err := k.Lookup("a.example:1"); err == nil {
		t.Error("read from no file")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k = &dial.KnownNodes{Path: filepath.Join(t.TempDir(), "known_nodes")}
	release := dial.HoldLock(t, k)
	if err := k.RecordCA(ctx, "a.example:1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	release()
	if err := k.RecordCA(t.Context(), "a.example:1"); err != nil {
		t.Error(err)
	}
}
