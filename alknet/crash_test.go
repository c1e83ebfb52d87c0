package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/internal/peerbook"
	"github.com/alkdev/alknet/alknet/internal/settings"
)

// rounds is fewer where the program runs ten times as slow and is no other one.
func rounds(n int) int {
	if raceDetector {
		return n / 6
	}
	return n
}

// killed runs the program and kills it after that time, unless it ends before.
// It reports whether the program said that it was done.
func killed(t *testing.T, after time.Duration, args ...string) bool {
	t.Helper()
	cmd := exec.Command("alknet", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
	defer timer.Stop()
	return cmd.Wait() == nil
}

// span is a time between none and what the program needs on this machine.
func span(t *testing.T, args ...string) func() time.Duration {
	t.Helper()
	start := time.Now()
	if out, err := exec.Command("alknet", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	whole := time.Since(start)
	return func() time.Duration { return rand.N(whole * 5 / 4) }
}

// TestKilledChanges: whenever 'peer add' is killed, peers.toml is a whole file
// that holds every acknowledged peer.
func TestKilledChanges(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if out, err := exec.Command("alknet", "init", "--data", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	add := func(n int) []string {
		return []string{"peer", "add", fmt.Sprintf("p%d", n), fmt.Sprintf("SHA256:%064x", n), "--data", dir}
	}
	after := span(t, add(0)...)
	acknowledged, torn := map[string]bool{"p0": true}, 0
	for n := 1; n <= rounds(60); n++ {
		if killed(t, after(), add(n)...) {
			acknowledged[fmt.Sprintf("p%d", n)] = true
		} else {
			torn++
		}
		book, err := peerbook.Load(filepath.Join(dir, "peers.toml"))
		if err != nil {
			t.Fatal(err)
		}
		for name := range acknowledged {
			if _, err := book.Peer(name); err != nil {
				t.Fatalf("after %d: %v", n, err)
			}
		}
	}
	t.Logf("%d of %d were killed before their end", torn, rounds(60))
	if out, err := exec.Command("alknet", append(add(61), "--json")...).CombinedOutput(); err != nil {
		t.Fatalf("the next change: %v: %s", err, out)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".peers.toml.*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestKilledInit: whenever 'init' is killed, what is there is whole, and the
// next init completes it with the keys that were made.
func TestKilledInit(t *testing.T) {
	top := t.TempDir()
	after := span(t, "init", "--data", filepath.Join(top, "whole"))
	for n := range rounds(42) {
		d, err := datadir.At(filepath.Join(top, fmt.Sprint(n)))
		if err != nil {
			t.Fatal(err)
		}
		done := killed(t, after(), "init", "--data", d.Path())
		vault, vaultErr := os.ReadFile(d.Vault())
		if text, err := os.ReadFile(d.Config()); err == nil && string(text) != settings.Template {
			t.Fatalf("config.toml is torn: %q", text)
		}
		if done && vaultErr != nil {
			t.Fatal(vaultErr)
		}
		if !done {
			out, err := exec.Command("alknet", "init", "--data", d.Path()).CombinedOutput()
			if err != nil && !strings.Contains(string(out), "set up there already") {
				t.Fatalf("%v: %s", err, out)
			}
		}
		if out, err := exec.Command("alknet", "id", "--data", d.Path()).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if now, err := os.ReadFile(d.Vault()); err != nil || vaultErr == nil && !bytes.Equal(now, vault) {
			t.Fatalf("the vault that was there is not kept: %v", err)
		}
	}
}
