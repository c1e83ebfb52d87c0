package netlab_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/alkdev/alknet/scripts/netlab"
)

func TestCommand(t *testing.T) {
	lab := netlab.New(t, netlab.Config{})
	inet := lab.Network("internet")
	a, b := inet.Host("a"), inet.Host("b")
	t.Chdir(t.TempDir())
	out, err := a.Command(t.Context(), "sh", "-c", "hostname; cat /etc/hosts /etc/resolv.conf; pwd").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("a\n127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n%s a\n%s a\n%s b\n%s b\n%s\n",
		a.Addr4(), a.Addr6(), b.Addr4(), b.Addr6(), dir)
	if string(out) != want {
		t.Errorf("output\n%swant\n%s", out, want)
	}
	_, err = a.Command(t.Context(), "sh", "-c", "echo no >&2; exit 7").Output()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 7 || string(exit.Stderr) != "no\n" {
		t.Errorf("error %v", err)
	}
	if err := a.Command(t.Context(), "no-program-has-this-name").Run(); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("error %v", err)
	}
}

func TestCommandEnds(t *testing.T) {
	lab := netlab.New(t, netlab.Config{})
	a := lab.Network("internet").Host("a")
	ctx, cancel := context.WithCancel(t.Context())
	// The shell's child holds the output open: only the end of the group ends it.
	cancelled := a.Command(ctx, "sh", "-c", "sleep 1000; true")
	left := a.Command(t.Context(), "sh", "-c", "sleep 1000; true")
	for _, c := range []*netlab.Cmd{cancelled, left} {
		c.Stdout = new(strings.Builder)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := cancelled.Wait(); err == nil {
		t.Error("a cancelled command succeeded")
	}
	if err := lab.Close(); err != nil {
		t.Fatal(err)
	}
	if err := left.Wait(); err == nil {
		t.Error("a command outlived its lab")
	}
	if err := a.Command(t.Context(), "true").Run(); !errors.Is(err, netlab.ErrClosed) {
		t.Errorf("start in a closed lab: %v", err)
	}
	if err := a.Do(func() error { return nil }); !errors.Is(err, netlab.ErrClosed) {
		t.Errorf("Do in a closed lab: %v", err)
	}
}

func TestDo(t *testing.T) {
	lab := netlab.New(t, netlab.Config{})
	a := lab.Network("internet").Host("a")
	fault := errors.New("fault")
	if err := a.Do(func() error { return fault }); !errors.Is(err, fault) {
		t.Errorf("error %v, want %v", err, fault)
	}
	// Calls run beside each other: the second does not wait for the first.
	hold, held := make(chan struct{}), make(chan error)
	go func() { held <- a.Do(func() error { <-hold; return nil }) }()
	if err := a.Do(func() error { return nil }); err != nil {
		t.Error(err)
	}
	close(hold)
	if err := <-held; err != nil {
		t.Error(err)
	}
	ended := make(chan bool)
	go func() {
		returned := false
		defer func() { ended <- returned }()
		_ = a.Do(func() error { runtime.Goexit(); return nil })
		returned = true
	}()
	if <-ended {
		t.Error("Do returned after its function ended the goroutine")
	}
}
