package guides

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// world is the machines of one guide on a network of their own. Each is a
// thread in network and mount namespaces of its own, whose home is an empty
// folder; all see each other's names as NAME.example.org.
type world struct {
	t     *testing.T
	dir   string
	home  string // of whoever runs the tests, over which each machine's is mounted
	hosts map[string]*box
	tools tools
	names strings.Builder // /etc/hosts

	addresses map[string]string // by name, which ends in a dot
	roots     []byte            // certificates that the machines trust; nil for the system's
}

// box is a thread in namespaces.
type box struct {
	work chan func()
	tid  int
	addr string
}

func (b *box) do(f func() error) error {
	done := make(chan error, 1)
	b.work <- func() { done <- f() }
	return <-done
}

func (b *box) run(arg ...string) error {
	return b.do(func() error {
		out, err := exec.Command(arg[0], arg[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%q: %w: %s", arg, err, out)
		}
		return nil
	})
}

func newBox(t *testing.T) *box {
	b := &box{work: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, "")
		}
		b.tid = unix.Gettid()
		ready <- err
		for f := range b.work {
			f()
		}
	}()
	t.Cleanup(func() { close(b.work) })
	if err := <-ready; errors.Is(err, unix.EPERM) {
		t.Skipf("no namespaces for the machines of the guides: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	if err := b.run("ip", "link", "set", "lo", "up"); err != nil {
		t.Fatal(err)
	}
	return b
}

func newWorld(t *testing.T, g *Guide, tools tools) map[string]*Host {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "guide")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &world{t: t, dir: dir, home: me.HomeDir, hosts: map[string]*box{}, addresses: map[string]string{}, tools: tools}
	w.names.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	inet := newBox(t)
	w.must(inet.run("ip", "link", "add", "name", "br0", "type", "bridge"))
	w.must(inet.run("ip", "link", "set", "br0", "up"))
	for _, m := range g.Machines {
		w.hosts[m.Name] = newBox(t)
	}
	for i, m := range g.Machines {
		b := w.hosts[m.Name]
		if at := slices.Index(m.Traits, "behind"); at >= 0 {
			lan := fmt.Sprintf("192.168.%d", i+1)
			b.addr = lan + ".2"
			w.cable(b, b.addr, w.hosts[m.Traits[at+1]], "lan0", lan+".1/24")
			w.must(b.run("ip", "route", "add", "default", "via", lan+".1"))
			w.name(m.Name+".example.org", w.hosts[m.Traits[at+1]].addr)
		} else {
			b.addr = fmt.Sprintf("203.0.113.%d", 10+i)
			w.cable(b, b.addr, inet, fmt.Sprintf("port%d", i), "")
			w.name(m.Name+".example.org", b.addr)
		}
		if slices.Contains(m.Traits, "router") {
			w.router(b, slices.Contains(m.Traits, "no-udp"))
		}
	}
	for _, m := range g.Machines {
		if slices.Contains(m.Traits, "letsencrypt") {
			b := w.hosts[m.Name]
			w.name(production, b.addr)
			w.name(staging, b.addr)
			w.roots = w.authority(b)
		}
	}
	out := map[string]*Host{}
	for _, m := range g.Machines {
		out[m.Name] = w.machine(m)
	}
	return out
}

func (w *world) name(name, addr string) {
	w.addresses[name+"."] = addr
	fmt.Fprintf(&w.names, "%s %s\n", addr, name)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// cable joins b's eth0 to a device of other: a port of its bridge, or the
// router of b's network.
func (w *world) cable(b *box, addr string, other *box, device, gateway string) {
	w.t.Helper()
	w.must(other.run("ip", "link", "add", "name", device, "type", "veth", "peer", "name", "eth0", "netns", fmt.Sprint(b.tid)))
	if gateway == "" {
		w.must(other.run("ip", "link", "set", device, "master", "br0"))
	} else {
		w.must(other.run("ip", "addr", "add", gateway, "dev", device))
	}
	w.must(other.run("ip", "link", "set", device, "up"))
	w.must(b.run("ip", "addr", "add", addr+"/24", "dev", "eth0"))
	w.must(b.run("ip", "link", "set", "eth0", "up"))
}

func (w *world) router(b *box, noUDP bool) {
	w.t.Helper()
	w.must(b.do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) }))
	rules := "table ip nat { chain out { type nat hook postrouting priority srcnat; oifname eth0 masquerade; }; }\n"
	if noUDP {
		rules += "table ip drops { chain forwarded { type filter hook forward priority filter; ip protocol udp drop; }; }\n"
	}
	file := filepath.Join(w.dir, "nft")
	w.must(os.WriteFile(file, []byte(rules), 0o600))
	w.must(b.run("nft", "-f", file))
}

// machine gives a box its files and programs.
func (w *world) machine(m Machine) *Host {
	w.t.Helper()
	b := w.hosts[m.Name]
	etc, home := filepath.Join(w.dir, m.Name+".etc"), filepath.Join(w.dir, m.Name)
	w.must(os.Mkdir(etc, 0o700))
	w.must(os.Mkdir(home, 0o700))
	w.must(os.WriteFile(filepath.Join(etc, "hosts"), []byte(w.names.String()), 0o644))
	w.must(os.WriteFile(filepath.Join(etc, "resolv.conf"), nil, 0o644))
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	var binds [][2]string
	if slices.Contains(m.Traits, "go") {
		path = filepath.Join(w.tools.goroot, "bin") + ":" + path
		for from, to := range map[string]string{w.tools.modules: "go/pkg/mod", w.tools.builds: ".cache/go-build"} {
			w.must(os.MkdirAll(filepath.Join(home, to), 0o755))
			binds = append(binds, [2]string{from, filepath.Join(home, to)})
		}
		w.must(checkout(w.tools.root, filepath.Join(home, "alknet")))
	}
	if slices.Contains(m.Traits, "alknet") {
		path += ":" + filepath.Dir(w.tools.alknet)
	}
	binds = append(binds, [2]string{filepath.Join(etc, "hosts"), "/etc/hosts"}, [2]string{filepath.Join(etc, "resolv.conf"), "/etc/resolv.conf"}, [2]string{home, w.home})
	if w.roots != nil {
		bundle := filepath.Join(etc, "roots")
		w.must(os.WriteFile(bundle, w.roots, 0o644))
		binds = append(binds, [2]string{bundle, "/etc/ssl/certs/ca-certificates.crt"})
	}
	w.must(b.do(func() error {
		for _, m := range binds {
			if err := unix.Mount(m[0], m[1], "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
				return fmt.Errorf("mount %s on %s: %w", m[0], m[1], err)
			}
		}
		return nil
	}))
	return &Host{
		Home:  w.home,
		Files: home,
		Env:   []string{"HOME=" + w.home, "PATH=" + path, "TERM=xterm", "LANG=C.UTF-8", "SHELL=/bin/bash", "USER=" + os.Getenv("USER"), "GOFLAGS=-buildvcs=false"},
		Start: func(cmd *exec.Cmd) error { return b.do(cmd.Start) },
	}
}

// checkout copies the working tree, as git clone would bring it.
func checkout(root, to string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch {
		case rel == ".git" || rel == "bin" || rel == "dist":
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), raw, 0o644)
	})
}
