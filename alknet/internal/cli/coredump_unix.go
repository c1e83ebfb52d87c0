//go:build linux || darwin || freebsd

package cli

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// limitCoreDump lowers the soft limit: what the process starts for others may
// raise it again.
func limitCoreDump() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	limit.Cur = 0
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	return nil
}
