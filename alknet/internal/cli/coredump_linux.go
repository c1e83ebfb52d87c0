package cli

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// noCoreDump keeps the memory, in which the vault's keys are, out of files. The
// limit alone does not hold where the kernel pipes dumps to a program (core(5));
// the flag also keeps other processes of the user from reading the memory, and
// falls away in what the process executes.
func noCoreDump() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	return limitCoreDump()
}
