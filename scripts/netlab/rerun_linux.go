package netlab

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// inside marks the environment of a process that Rerun started.
const inside = "NETLAB_USER_NAMESPACE"

// Rerun runs the program once more, with the same arguments, as root of a new
// user namespace, waits for it and returns its exit code and true. It does
// nothing and returns false where that is not needed, because this process may
// make a lab, or would not help: then Open says why.
//
// Call it first thing in main. Files that the program makes in the user
// namespace belong to the user who called it.
func Rerun() (code int, ran bool) {
	if os.Getenv(inside) != "" || os.Geteuid() == 0 {
		return 0, false
	}
	if unix.Access(tunPath, unix.R_OK|unix.W_OK) != nil || probe() == nil {
		return 0, false
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   unix.SIGKILL,
	}
	// The child would get its Pdeathsig when this thread ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if cmd.Start() != nil {
		return 0, false
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	err := cmd.Wait()
	signal.Stop(signals)
	close(signals)
	<-ended
	return exitCode(err), true
}

// exitCode is what a shell would report for how a program ended.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 1
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}
