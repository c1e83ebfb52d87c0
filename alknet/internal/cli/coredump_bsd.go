//go:build darwin || freebsd

package cli

// noCoreDump keeps the memory, in which the vault's keys are, out of files.
func noCoreDump() error { return limitCoreDump() }
