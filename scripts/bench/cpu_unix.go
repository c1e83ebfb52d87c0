//go:build unix

package main

import (
	"syscall"
	"time"
)

func ownCPU() time.Duration      { return cpuTime(syscall.RUSAGE_SELF) }
func childrenCPU() time.Duration { return cpuTime(syscall.RUSAGE_CHILDREN) }

func cpuTime(who int) time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(who, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
