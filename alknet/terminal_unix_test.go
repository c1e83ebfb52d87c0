//go:build !windows

package main

import "syscall"

// leaveTerminal keeps the program from asking the developer who runs the tests.
// Where a script gave it a terminal of its own, it leads a session already and
// keeps that.
func leaveTerminal() { syscall.Setsid() }
