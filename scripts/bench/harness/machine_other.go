//go:build !linux

package harness

import (
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

func (m *Machine) ask() {
	if runtime.GOOS == "windows" {
		m.Kernel = answerOfCommand("cmd", "/c", "ver")
		return
	}
	m.CPU = answerOfCommand("sysctl", "-n", "machdep.cpu.brand_string")
	m.Kernel = answerOfCommand("uname", "-sr")
	m.Memory, _ = strconv.ParseInt(answerOfCommand("sysctl", "-n", "hw.memsize"), 10, 64)
}

func answerOfCommand(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
