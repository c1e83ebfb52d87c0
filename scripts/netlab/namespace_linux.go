package netlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

const (
	device  = "eth0" // the name of a host's TUN device inside its namespace
	tunPath = "/dev/net/tun"
)

// namespace is the network, mount and UTS namespace of one host, together with
// the OS thread that made them. Programs are started from that thread, because
// they inherit what it has and because the kernel sends their Pdeathsig when
// the thread that forked them ends.
type namespace struct {
	calls  chan func()
	ended  chan struct{}
	netns  *os.File
	hosts  *os.File
	routes *routes
}

// onThread runs f in a goroutine that keeps an OS thread for itself and takes
// it along when it ends. The first thread of a process can not end, so that f
// never gets it.
func onThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f()
			return
		}
		running := make(chan struct{})
		onThread(func() {
			close(running)
			f()
		})
		<-running
		runtime.UnlockOSThread()
	}()
}

// newNamespace makes the namespaces of a host and the device in it.
func newNamespace(name string, mtu int) (*namespace, *os.File, error) {
	if err := unix.Access(tunPath, unix.R_OK|unix.W_OK); err != nil {
		return nil, nil, &os.PathError{Op: "open", Path: tunPath, Err: err}
	}
	ns := &namespace{calls: make(chan func()), ended: make(chan struct{})}
	var tun *os.File
	made := make(chan error)
	onThread(func() {
		defer close(ns.ended)
		err := ns.enter(name)
		if err == nil {
			tun, err = openTUN()
		}
		if err == nil {
			ns.routes, err = newRoutes(mtu)
		}
		made <- err
		if err != nil {
			return
		}
		for call := range ns.calls {
			call()
		}
	})
	if err := <-made; err != nil {
		if tun != nil {
			tun.Close()
		}
		<-ns.ended
		ns.closeFiles()
		return nil, nil, err
	}
	return ns, tun, nil
}

func (ns *namespace) enter(name string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("make namespaces: %w", err)
	}
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	if err := ns.mount(); err != nil {
		return err
	}
	var err error
	if ns.netns, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return fmt.Errorf("open network namespace: %w", err)
	}
	// Where /proc/sys is read-only the defaults of the kernel have to do.
	for file, value := range map[string]string{
		"ipv4/ping_group_range":                  "0 2147483647",
		"ipv4/conf/all/rp_filter":                "0",
		"ipv4/conf/default/rp_filter":            "0",
		"ipv6/conf/all/disable_ipv6":             "0",
		"ipv6/conf/default/disable_ipv6":         "0",
		"ipv6/conf/default/accept_ra":            "0",
		"ipv6/conf/default/accept_dad":           "0",
		"ipv6/conf/default/router_solicitations": "0",
		"ipv6/conf/default/addr_gen_mode":        "1",
	} {
		_ = os.WriteFile("/proc/sys/net/"+file, []byte(value), 0)
	}
	return nil
}

// mount puts files of the host's own in the place of /etc/hosts and of
// /etc/resolv.conf. They are on a file system in memory that nothing but these
// two mounts holds, so that nothing is left when the namespace ends.
func (ns *namespace) mount() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	const dir = "/tmp"
	if err := unix.Mount("netlab", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "size=1m,mode=755"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	err := errors.Join(ns.bind(dir+"/hosts", "/etc/hosts"), ns.bind(dir+"/resolv.conf", "/etc/resolv.conf"))
	return errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH))
}

func (ns *namespace) bind(file, over string) error {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if over == "/etc/hosts" {
		ns.hosts = f
	} else {
		defer f.Close()
	}
	if err := unix.Mount(file, over, "", unix.MS_BIND, ""); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("mount over %s: %w", over, err)
	}
	return nil
}

// setHosts replaces what programs read in /etc/hosts.
func (ns *namespace) setHosts(text string) error {
	if _, err := ns.hosts.WriteAt([]byte(text), 0); err != nil {
		return fmt.Errorf("write hosts file: %w", err)
	}
	if err := ns.hosts.Truncate(int64(len(text))); err != nil {
		return fmt.Errorf("write hosts file: %w", err)
	}
	return nil
}

// do runs f on a thread of its own in the network namespace.
func (ns *namespace) do(f func() error) (err error) {
	done, returned := make(chan struct{}), false
	onThread(func() {
		defer close(done)
		if err = unix.Setns(int(ns.netns.Fd()), unix.CLONE_NEWNET); err != nil {
			err, returned = fmt.Errorf("enter network namespace: %w", err), true
			return
		}
		err = f()
		returned = true
	})
	<-done
	if !returned { // f ended its goroutine, as t.FailNow does: the caller ends too
		runtime.Goexit()
	}
	return err
}

// start starts cmd from the thread that lives in the namespaces.
func (ns *namespace) start(cmd *exec.Cmd) (err error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	}
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	done := make(chan struct{})
	ns.calls <- func() {
		err = cmd.Start()
		close(done)
	}
	<-done
	return err
}

// kill kills the process of cmd, and with it the group that it leads.
func kill(cmd *exec.Cmd) error {
	if attr := cmd.SysProcAttr; attr != nil && attr.Setpgid && attr.Pgid == 0 {
		if err := unix.Kill(-cmd.Process.Pid, unix.SIGKILL); !errors.Is(err, unix.ESRCH) {
			return err
		}
		return os.ErrProcessDone
	}
	return cmd.Process.Kill()
}

// close ends the thread. The namespaces go when nothing uses them any more.
func (ns *namespace) close() {
	close(ns.calls)
	<-ns.ended
	ns.closeFiles()
}

func (ns *namespace) closeFiles() {
	for _, f := range []*os.File{ns.netns, ns.hosts} {
		if f != nil {
			f.Close()
		}
	}
	if ns.routes != nil {
		ns.routes.close()
	}
}

func openTUN() (*os.File, error) {
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: tunPath, Err: err}
	}
	req, err := unix.NewIfreq(device)
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make TUN device: %w", err)
	}
	return os.NewFile(uintptr(fd), tunPath), nil
}
