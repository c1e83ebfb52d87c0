package harness

import (
	"fmt"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
)

// Machine is what a figure depends on and a reader can compare. Fields that the
// system does not tell are empty.
type Machine struct {
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	CPU      string `json:"cpu,omitempty"`
	Cores    int    `json:"cores"`            // that this process may use
	Memory   int64  `json:"memory,omitempty"` // bytes
	Kernel   string `json:"kernel,omitempty"`
	Governor string `json:"governor,omitempty"` // of the CPU's frequency
	Virtual  bool   `json:"virtual,omitempty"`
	Go       string `json:"go"`
}

func (m Machine) String() string {
	parts := []string{m.OS + "/" + m.Arch}
	add := func(format, value string) {
		if value != "" {
			parts = append(parts, fmt.Sprintf(format, value))
		}
	}
	add("%s", m.CPU)
	cores := fmt.Sprintf("%d cores", m.Cores)
	if m.Virtual {
		cores = fmt.Sprintf("%d virtual cores", m.Cores)
	}
	parts = append(parts, cores)
	if m.Memory > 0 {
		parts = append(parts, fmt.Sprintf("%.0f GiB", float64(m.Memory)/(1<<30)))
	}
	add("kernel %s", m.Kernel)
	add("governor %s", m.Governor)
	add("%s", m.Go)
	return strings.Join(parts, ", ")
}

func describeMachine() Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.GOMAXPROCS(0), Go: runtime.Version()}
	m.ask()
	return m
}

// moduleVersions is of modules linked into this program.
func moduleVersions(names []string) map[string]string {
	versions := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return versions
	}
	for _, name := range names {
		for _, dep := range info.Deps {
			if dep.Path == name {
				versions[name] = dep.Version
			}
		}
	}
	return versions
}

// commit is empty outside a git repository.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--exclude=*").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
