package harness

import (
	"os"
	"strings"
)

func (m *Machine) ask() {
	m.CPU = field("/proc/cpuinfo", "model name")
	m.Memory = kibibytes(field("/proc/meminfo", "MemTotal"))
	m.Kernel = first("/proc/sys/kernel/osrelease")
	m.Governor = first("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
	flags := field("/proc/cpuinfo", "flags")
	m.Virtual = strings.Contains(" "+flags+" ", " hypervisor ")
}

func first(file string) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	return strings.TrimSpace(line)
}

func field(file, name string) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(raw)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
