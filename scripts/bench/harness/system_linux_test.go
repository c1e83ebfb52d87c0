package harness

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A child inherits the peak of the process that starts it; what we report does not.
func TestPeakIsTheChildsOwn(t *testing.T) {
	ballast := make([]byte, 64<<20)
	for i := range ballast {
		ballast[i] = 1
	}
	cmd := exec.Command("sleep", "0.2")
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	peak := watchPeak(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if inherited := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10; inherited < int64(len(ballast)) {
		t.Logf("ru_maxrss is %d: this kernel passes no peak on", inherited)
	}
	if got := peak(cmd.ProcessState); got < 64<<10 || got >= int64(len(ballast)) {
		t.Errorf("peak of sleep: %d bytes, beside %d of ours (%d)", got, ownPeak(), ballast[0])
	}
}

func TestPeakOfLargeChild(t *testing.T) {
	shell, err := exec.LookPath("dd")
	if err != nil {
		t.Skip(err)
	}
	const want = 128 << 20
	floor := ownPeak()
	cmd := exec.Command(shell, "if=/dev/zero", "of=/dev/null", "count=1", "bs="+strconv.Itoa(want))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peak := watchPeak(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := peak(cmd.ProcessState); floor < want && (got < want || got > 2*want) {
		t.Errorf("peak of a program of %d bytes: %d", want, got)
	}
}

func TestPeakOfShortChildIsUnknown(t *testing.T) {
	began := time.Now()
	cmd := exec.Command("sleep", "0.03")
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	peak := watchPeak(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := peak(cmd.ProcessState); got >= 0 && time.Since(began) < 100*time.Millisecond {
		t.Errorf("peak of a program that ended at once: %d", got)
	}
}

func TestParseStat(t *testing.T) {
	a, err := parseStat("cpu  100 200 300 400 500 600 700 800 900 1000\ncpu0 1 2\n")
	if want := (activity{known: true, all: 36, busy: 6, steal: 8}); err != nil || a != want {
		t.Errorf("got %+v, %v; want %+v", a, err, want)
	}
	for _, text := range []string{"", "cpu 1 2 3\n", "cpu0 1 2 3 4 5 6 7 8\n", "cpu a b c d e f g h\n", "cpu -1 2 3 4 5 6 7 8\n"} {
		if a, err := parseStat(text); err == nil {
			t.Errorf("%q: no error, but %+v", text, a)
		}
	}
}

func TestParseProcess(t *testing.T) {
	p, ok := parseProcess("7 (a ) b) S 5 1 1 0 -1 4194304 1 1 1 1 100 200 300 400 20 0 1 0 9")
	if !ok || p != (process{5, 10}) {
		t.Errorf("got %+v, %v", p, ok)
	}
	for _, text := range []string{"", "7 (a) S 5", "7 (a) S x 1 1 0 -1 4194304 1 1 1 1 100 200 300 400"} {
		if p, ok := parseProcess(text); ok {
			t.Errorf("%q: %+v", text, p)
		}
	}
}

func TestDescends(t *testing.T) {
	all := map[int]process{2: {parent: 1}, 3: {parent: 2}, 4: {parent: 3}, 8: {parent: 9}, 9: {parent: 8}}
	for pid, want := range map[int]bool{2: false, 3: true, 4: true, 8: false, 7: false} {
		if got := descends(all, pid, 2); got != want {
			t.Errorf("%d: %v, want %v", pid, got, want)
		}
	}
}

// What a child burns is ours, not others'.
func TestChildrenAreOurs(t *testing.T) {
	before := takeActivity()
	if !before.known {
		t.Skip("no /proc/stat")
	}
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo; read x")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	out.Read(make([]byte, 1))
	alive, during := descendants(os.Getpid()), takeActivity()
	in.Close()
	cmd.Wait()
	after := takeActivity()
	if alive <= 0 || during.own-before.own < alive || after.own-before.own < alive {
		t.Errorf("a living child used %v s; ours grew from %v to %v to %v", alive, before.own, during.own, after.own)
	}
}

func TestMachine(t *testing.T) {
	m := describeMachine()
	if m.CPU == "" && !strings.HasPrefix(m.Arch, "arm") || m.Memory < 1<<20 || m.Kernel == "" {
		t.Errorf("%+v", m)
	}
	if host, err := os.Hostname(); err == nil && len(host) > 3 && strings.Contains(m.String(), host) {
		t.Errorf("the description names the host: %v", m)
	}
}
