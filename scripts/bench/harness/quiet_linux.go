package harness

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// takeActivity counts interrupts for nobody: what loopback traffic costs lies
// there, and whether it is also on the account of the process depends on how the
// kernel was built.
func takeActivity() activity {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return activity{}
	}
	a, err := parseStat(string(raw))
	if err != nil {
		return activity{}
	}
	a.own = ownCPU().Seconds() + rusageCPU(syscall.RUSAGE_CHILDREN).Seconds() + descendants(os.Getpid())
	if raw, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Sscan(string(raw), &a.load)
	}
	return a
}

// userHZ is the unit of /proc/stat on every architecture that Go supports.
const userHZ = 100

// parseStat reads the first line of /proc/stat, proc_stat(5).
func parseStat(text string) (activity, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return activity{}, fmt.Errorf("no line of all CPUs in /proc/stat")
	}
	var seconds [8]float64 // user nice system idle iowait irq softirq steal
	for i := range seconds {
		n, err := strconv.ParseUint(fields[i+1], 10, 64)
		if err != nil {
			return activity{}, err
		}
		seconds[i] = float64(n) / userHZ
	}
	a := activity{known: true, busy: seconds[0] + seconds[1] + seconds[2], steal: seconds[7]}
	for _, s := range seconds {
		a.all += s
	}
	return a, nil
}

// process is of /proc/PID/stat.
type process struct {
	parent int
	cpu    float64
}

// descendants is the CPU time in seconds of the living ones, and of those that
// they have waited for.
func descendants(root int) float64 {
	all := map[int]process{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		raw, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		if p, ok := parseProcess(string(raw)); ok {
			all[pid] = p
		}
	}
	var sum float64
	for pid := range all {
		if descends(all, pid, root) {
			sum += all[pid].cpu
		}
	}
	return sum
}

// descends stops after as many steps as there are processes, since the table was
// not read at one moment.
func descends(all map[int]process, pid, root int) bool {
	for range len(all) {
		p, ok := all[pid]
		if !ok || pid == root {
			return false
		}
		if p.parent == root {
			return true
		}
		pid = p.parent
	}
	return false
}

// parseProcess reads fields 4 and 14 to 17 of proc_pid_stat(5), after the name,
// which may hold spaces and brackets.
func parseProcess(text string) (process, bool) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 15 {
		return process{}, false
	}
	var p process
	var err error
	if p.parent, err = strconv.Atoi(fields[1]); err != nil {
		return p, false
	}
	for _, f := range fields[11:15] {
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return p, false
		}
		p.cpu += float64(n) / userHZ
	}
	return p, true
}
