//go:build !linux

package harness

import (
	"os"
	"os/exec"
)

// Peak memory is measured on Linux only; elsewhere the column is empty.

func ownPeak() int64      { return -1 }
func childrenPeak() int64 { return -1 }

func watchPeak(int) func(*os.ProcessState) int64 {
	return func(*os.ProcessState) int64 { return -1 }
}

func dieWithParent(*exec.Cmd) {}
