package netlab_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab"
)

// TestNothingLeft looks for threads that are still in a namespace of a lab.
func TestNothingLeft(t *testing.T) {
	for range 3 {
		lab := netlab.New(t, netlab.Config{})
		inet := lab.Network("internet")
		a, b := inet.Host("a"), inet.Host("b")
		newFlow(t, a, b).send(1, 100)
		if err := lab.Close(); err != nil {
			t.Fatal(err)
		}
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Skip(err)
	}
	deadline := time.Now().Add(patience)
	for {
		strangers := 0
		links, err := filepath.Glob("/proc/self/task/*/ns/net")
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range links {
			if ns, err := os.Readlink(l); err == nil && ns != own {
				strangers++
			}
		}
		if strangers == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d threads are still in the namespace of a lab", strangers)
		}
		runtime.Gosched()
	}
}

// TestKilled kills a process that has a lab and looks for the program that ran
// in the lab.
func TestKilled(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	pid := strings.TrimSpace(line)
	if strings.Contains(pid, " ") {
		t.Skip(pid)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); runtime.Gosched() {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Errorf("the program %s outlived the process of its lab", pid)
}
