package guides

import (
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alkdev/alknet/scripts/netlab"
	"github.com/alkdev/alknet/scripts/netlab/link"
	"github.com/alkdev/alknet/scripts/netlab/nat"
)

// world is the machines of one guide on a network of their own. All see each
// other's names as NAME.example.org.
type world struct {
	t     *testing.T
	tools tools
	dir   string
	home  string // of whoever runs the tests, over which each machine's is mounted

	lab       *netlab.Lab
	internet  *netlab.Network
	natted    map[string]*netlab.Network // by the name of the NAT
	hosts     map[string]*netlab.Host
	addresses map[string]string // by name, which ends in a dot
	names     strings.Builder   // /etc/hosts
	roots     []byte            // certificates that the machines trust; nil for the system's
}

func newWorld(t *testing.T, g *Guide, tools tools) map[string]*Host {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "guide") // short: a socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &world{
		t: t, tools: tools, dir: dir, home: me.HomeDir, lab: netlab.New(t, netlab.Config{Seed: 1}),
		natted: map[string]*netlab.Network{}, hosts: map[string]*netlab.Host{}, addresses: map[string]string{},
	}
	w.internet = w.lab.Network("internet", netlab.V4Only(), netlab.Prefix(netip.MustParsePrefix("203.0.113.0/24")))
	w.names.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	for i, m := range g.Machines {
		w.connect(i, m)
	}
	for _, m := range g.Machines {
		if m.has("letsencrypt") {
			w.roots = w.authority(w.hosts[m.Name])
		}
	}
	out := map[string]*Host{}
	for _, m := range g.Machines {
		if w.hosts[m.Name] != nil {
			out[m.Name] = w.machine(m)
		}
	}
	return out
}

// connect puts a machine where its traits say: on the Internet, behind a NAT
// before it, or behind a router before it, which is a machine as well.
func (w *world) connect(i int, m Machine) {
	w.t.Helper()
	lan := fmt.Sprintf("192.168.%d", i+1)
	behind := ""
	if at := slices.Index(m.Traits, "behind"); at >= 0 {
		behind = m.Traits[at+1]
	}
	switch {
	case m.has("nat"):
		n := w.internet.NAT(m.Name, nat.Config{Kind: nat.PortRestricted}, netlab.Prefix(netip.MustParsePrefix(lan+".0/24")))
		w.natted[m.Name] = n
		if m.has("no-udp") {
			w.must(n.Gateway().Link().Both(link.Shape{BlockUDP: true}))
		}
	case w.natted[behind] != nil:
		w.hosts[m.Name] = w.natted[behind].Host(m.Name)
	case behind != "":
		// The device to the lab goes down, a cable to the router takes its place.
		h := w.lab.Network("unused-"+m.Name, netlab.V4Only()).Host(m.Name)
		w.run(h, "ip", "link", "set", "eth0", "down")
		w.cable(w.hosts[behind], h, lan)
		w.hosts[m.Name] = h
		w.name(m.Name+".example.org", w.hosts[behind].Addr4())
	default:
		h := w.internet.Host(m.Name)
		w.hosts[m.Name] = h
		w.name(m.Name+".example.org", h.Addr4())
		if m.has("letsencrypt") {
			w.name(production, h.Addr4())
			w.name(staging, h.Addr4())
		}
	}
}

func (m Machine) has(trait string) bool { return slices.Contains(m.Traits, trait) }

// cable joins a router, which translates addresses as home routers do, to a
// machine.
func (w *world) cable(router, h *netlab.Host, lan string) {
	w.t.Helper()
	sleep := h.Command(w.t.Context(), "sleep", "infinity")
	w.must(sleep.Start())
	w.run(router, "ip", "link", "add", "name", "lan0", "type", "veth", "peer", "name", "lan0", "netns", fmt.Sprint(sleep.Process.Pid))
	w.run(router, "ip", "addr", "add", lan+".1/24", "dev", "lan0")
	w.run(router, "ip", "link", "set", "lan0", "up")
	w.run(h, "ip", "addr", "add", lan+".2/24", "dev", "lan0")
	w.run(h, "ip", "link", "set", "lan0", "up")
	w.run(h, "ip", "route", "add", "default", "via", lan+".1")
	w.run(router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
	w.run(router, "nft", "table ip nat { chain out { type nat hook postrouting priority srcnat; oifname eth0 masquerade; }; }")
	w.must(sleep.Process.Kill())
	sleep.Wait()
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) run(h *netlab.Host, name string, arg ...string) {
	w.t.Helper()
	if out, err := h.Command(w.t.Context(), name, arg...).CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %s %q: %v\n%s", h.Name(), name, arg, err, out)
	}
}

func (w *world) name(name string, addr netip.Addr) {
	w.addresses[name+"."] = addr.String()
	fmt.Fprintf(&w.names, "%s %s\n", addr, name)
}

// machine gives a host its files and programs.
func (w *world) machine(m Machine) *Host {
	w.t.Helper()
	h := w.hosts[m.Name]
	home := filepath.Join(w.dir, m.Name)
	w.must(os.Mkdir(home, 0o700))
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	env := []string{"HOME=" + w.home, "TERM=xterm", "LANG=C.UTF-8", "SHELL=/bin/bash"}
	if m.has("go") {
		path = filepath.Join(w.tools.goroot, "bin") + ":" + path
		for from, to := range map[string]string{w.tools.modules: "go/pkg/mod", w.tools.builds: ".cache/go-build"} {
			to = filepath.Join(home, to)
			w.must(os.MkdirAll(to, 0o755))
			w.run(h, "mount", "--bind", from, to)
		}
		env = append(env, "GOFLAGS=-buildvcs=false", "GIT_CONFIG_SYSTEM="+w.published(h))
	}
	if m.has("source") {
		w.must(checkout(w.tools.root, filepath.Join(home, "alknet")))
	}
	if m.has("alknet") {
		path += ":" + filepath.Dir(w.tools.alknet)
	}
	w.place(h, "hosts", []byte(w.names.String()), "/etc/hosts")
	if w.roots != nil {
		w.place(h, "roots", w.roots, "/etc/ssl/certs/ca-certificates.crt")
	}
	w.run(h, "mount", "--rbind", home, w.home)
	if m.has("sshd") {
		w.sshd(h)
	}
	return &Host{
		Home:  w.home,
		Files: home,
		Command: func(name string, arg ...string) Program {
			cmd := h.Command(w.t.Context(), name, arg...)
			cmd.Env, cmd.Dir = append(env, "PATH="+path), w.home
			return Program{cmd.Cmd, cmd.Start, cmd.Wait}
		},
	}
}

// sshd is the SSH server of a rented machine, which forwards ports to all.
func (w *world) sshd(h *netlab.Host) {
	w.t.Helper()
	key := filepath.Join(w.dir, h.Name()+".hostkey")
	w.run(h, "mount", "-t", "tmpfs", "tmpfs", "/run")
	w.run(h, "mkdir", "/run/sshd") // where sshd shuts its unprivileged half in
	w.run(h, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	cmd := h.Command(w.t.Context(), w.tools.sshd, "-D", "-f", "/dev/null", "-h", key, "-o", "GatewayPorts clientspecified", "-o", "StrictModes no", "-o", "PidFile none")
	w.must(cmd.Start())
}

// place mounts a file of the machine's own over one of the system.
func (w *world) place(h *netlab.Host, name string, content []byte, over string) {
	w.t.Helper()
	file := filepath.Join(w.dir, h.Name()+"."+name)
	w.must(os.WriteFile(file, content, 0o644))
	w.run(h, "mount", "--bind", file, over)
}

// published is a configuration of git in which the working tree is the
// repository that the guides clone.
func (w *world) published(h *netlab.Host) string {
	w.t.Helper()
	repo, config := filepath.Join(w.dir, h.Name()+".repo"), filepath.Join(w.dir, h.Name()+".gitconfig")
	w.must(checkout(w.tools.root, repo))
	w.run(h, "git", "init", "-q", repo)
	w.run(h, "git", "-C", repo, "add", "--force", ".")
	w.run(h, "git", "-C", repo, "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-qm", "as it is")
	w.run(h, "git", "config", "--file", config, "url.file://"+repo+".insteadOf", "https://github.com/alkdev/alknet")
	return config
}

// checkout copies the working tree, as git clone would bring it.
func checkout(root, to string) error {
	list := exec.Command("git", "-C", root, "ls-files", "-z", "-co", "--exclude-standard")
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("list the source: %w", err)
	}
	for _, name := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		raw, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // removed and not committed
		}
		path := filepath.Join(to, name)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o755)
		}
		if err == nil {
			err = os.WriteFile(path, raw, fs.FileMode(0o644))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
