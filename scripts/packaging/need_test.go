package main

import (
	"os"
	"os/exec"
	"testing"
)

// need returns where the program is. Without it the test is skipped, or failed
// when ALKNET_INTEROP is "require".
func need(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	end := t.Skipf
	if os.Getenv("ALKNET_INTEROP") == "require" {
		end = t.Fatalf
	}
	end("find %s: not installed; run scripts/bootstrap", name)
	return ""
}

// made is the folder of a release that scripts/check has made.
func made(t testing.TB, variable string) string {
	t.Helper()
	dir := os.Getenv(variable)
	if dir == "" {
		t.Skipf("%s names no release; 'scripts/check release' makes one and tests it", variable)
	}
	return dir
}
