//go:build !linux && !darwin && !windows

package service

import "runtime"

// ForHost is the manager of this system, which has none that is known here.
func ForHost(Host) (Manager, error) {
	return nil, &UnsupportedError{"manage the service", "no service manager of " + runtime.GOOS + " is known",
		"have its own supervisor run 'alknet serve'"}
}
