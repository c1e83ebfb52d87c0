package harness

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ru_maxrss of a process that was started by vfork, as os/exec does, begins with
// the peak of the process that started it: the kernel notes the highest resident
// set of the old image when execve replaces it. It is therefore exact when it is
// above the peak of the starter, and only a bound when it is not. VmHWM in
// /proc/PID/status counts the new image alone, but is gone when the process is.
//
// So a sample tells its own VmHWM at its end. For a program that it starts it
// takes ru_maxrss if that is above its own VmHWM (some 10 MiB), else the last VmHWM
// that it saw while the program ran, if it ran long enough for that to mean anything.

func ownPeak() int64 { return highWater("self") }

func highWater(pid string) int64 {
	f, err := os.Open("/proc/" + pid + "/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			return kibibytes(rest)
		}
	}
	return 0
}

func kibibytes(text string) int64 {
	var n int64
	if _, err := fmt.Sscanf(text, "%d kB", &n); err != nil {
		return 0
	}
	return n << 10
}

// watchPeak follows a process that has just been started. Call the result once,
// after Wait; a negative peak is not known.
func watchPeak(pid int) func(*os.ProcessState) int64 {
	const enough = 100 * time.Millisecond
	began, floor, seen := time.Now(), ownPeak(), int64(-1)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(enough / 10):
			}
			if now := highWater(strconv.Itoa(pid)); now > 0 {
				seen = max(seen, now)
			}
		}
	}()
	return func(p *os.ProcessState) int64 {
		close(done)
		<-ended
		if u, ok := p.SysUsage().(*syscall.Rusage); ok && aboveFloor(u.Maxrss<<10, floor) {
			return u.Maxrss << 10
		}
		if time.Since(began) < enough {
			return -1
		}
		return seen
	}
}

// childrenPeak is that of the largest child waited for, or 0 if it is below the
// peak of this process.
func childrenPeak() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u) != nil || !aboveFloor(u.Maxrss<<10, ownPeak()) {
		return 0
	}
	return u.Maxrss << 10
}

// aboveFloor leaves room for the kernel's counters, which are kept per CPU.
func aboveFloor(peak, floor int64) bool { return peak > floor+1<<20 }

func dieWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
