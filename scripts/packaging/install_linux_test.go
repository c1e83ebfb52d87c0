package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const (
	data    = "/var/lib/alknet"
	service = "--data " + data
)

// installable boots a machine with this release and the next one in root's home.
func installable(t *testing.T) *machine {
	t.Helper()
	this, next := made(t, "ALKNET_RELEASE"), made(t, "ALKNET_RELEASE_NEXT")
	t.Parallel()
	m := boot(t, debian(t))
	m.give(t, packageFile(t, this, "*_"+runtime.GOARCH+".deb"), "this.deb")
	m.give(t, packageFile(t, next, "*_"+runtime.GOARCH+".deb"), "next.deb")
	return m
}

// nodeID is that of the service, or with no flags that of root's own client.
func (m *machine) nodeID(t testing.TB, flags string) string {
	t.Helper()
	var id struct {
		NodeID string `json:"node_id"`
	}
	if err := json.Unmarshal([]byte(m.do(t, "alknet id --json "+flags)), &id); err != nil || id.NodeID == "" {
		t.Fatalf("read node id %q: %v", id.NodeID, err)
	}
	return id.NodeID
}

func (m *machine) pid(t testing.TB) string {
	t.Helper()
	return m.do(t, "systemctl show -P MainPID alknet")
}

// serves checks what a person would: the service is up, a browser and ssh get in.
func (m *machine) serves(t testing.TB) {
	t.Helper()
	if state := m.do(t, "systemctl is-active alknet"); state != "active" {
		t.Errorf("the service is %s", state)
	}
	m.do(t, "curl --fail --silent --insecure https://127.0.0.1:4433/healthz")
	if who := m.do(t, "ssh -o BatchMode=yes box id -un"); who != "alknet" {
		t.Errorf("the peer's command runs as %s, want alknet", who)
	}
	if strays := m.do(t, "find "+data+" ! -user alknet"); strays != "" {
		t.Errorf("not owned by the service's account:\n%s", strays)
	}
}

// admit makes root's own client a peer, and configures ssh for it.
func (m *machine) admit(t testing.TB) {
	t.Helper()
	m.do(t, "alknet init")
	id := m.nodeID(t, "")
	m.do(t, "alknet "+service+" peer add laptop "+id+" --scope ssh:exec --as-admin")
	m.do(t, "install -d -m 700 .ssh && alknet ssh-config alknet://"+m.nodeID(t, service)+"@127.0.0.1:4433 --alias box >.ssh/config")
}

func (m *machine) gone(t testing.TB, said string) {
	t.Helper()
	if r := m.run("systemctl cat alknet.service"); r.code == 0 {
		t.Error("systemd still knows the unit")
	}
	if r := m.run("curl --fail --silent --insecure https://127.0.0.1:4433/healthz"); r.code == 0 {
		t.Error("the port still answers")
	}
	m.do(t, "test -s "+data+"/vault.age")
	if !strings.Contains(said, data) {
		t.Errorf("dpkg did not say where the data stays; it said:\n%s", said)
	}
}

func TestInstallUpgradeRemove(t *testing.T) {
	m := installable(t)
	if said := m.do(t, "dpkg -i this.deb"); !strings.Contains(said, data) {
		t.Errorf("dpkg did not say where the data is; it said:\n%s", said)
	}
	if state := m.do(t, "systemctl is-enabled alknet"); state != "enabled" {
		t.Errorf("the service is %s, want enabled", state)
	}
	m.admit(t)
	m.serves(t)
	id, before, old := m.nodeID(t, service), m.pid(t), m.do(t, "alknet version")

	m.do(t, "systemctl reload alknet")
	m.serves(t)
	if now := m.pid(t); now != before {
		t.Errorf("reload changed the process from %s to %s", before, now)
	}

	m.do(t, "dpkg -i next.deb")
	if m.do(t, "alknet version") == old {
		t.Errorf("the upgrade left %s", old)
	}
	if m.pid(t) == before {
		t.Error("the upgrade did not restart the service")
	}
	m.same(t, id)

	m.gone(t, m.do(t, "dpkg -r alknet"))
	m.do(t, "dpkg -i next.deb")
	m.same(t, id)
	m.gone(t, m.do(t, "dpkg -P alknet"))
	if left := m.do(t, "find /etc/systemd/system /var/lib/systemd -name '*alknet*'"); left != "" {
		t.Errorf("purge left:\n%s", left)
	}
	if units := m.do(t, "systemctl --failed --plain --no-legend list-units 'alknet*'"); units != "" {
		t.Errorf("failed units: %s", units)
	}
}

// same checks that the node is still itself.
func (m *machine) same(t testing.TB, id string) {
	t.Helper()
	m.serves(t)
	if now := m.nodeID(t, service); now != id {
		t.Errorf("the node's id is %s, and was %s", now, id)
	}
	if peers := m.do(t, "alknet "+service+" peer list"); !strings.Contains(peers, "laptop") {
		t.Errorf("the peer is lost:\n%s", peers)
	}
}

func TestInstallWherePortIsTaken(t *testing.T) {
	m := installable(t)
	m.do(t, "systemd-run --quiet --unit=holder systemd-socket-activate --listen=4433 /bin/cat")
	until(t, "the port to be taken", func() bool { return m.run("ss -Hltn 'sport = 4433' | grep .").code == 0 })

	said := m.run("dpkg -i this.deb")
	if said.code != 0 {
		t.Fatalf("a port that is taken breaks the installation: %s", said)
	}
	if !strings.Contains(said.err, "systemctl status alknet") {
		t.Errorf("dpkg did not say where to look: %s", said)
	}
	if state := m.do(t, "dpkg-query -W -f '${db:Status-Status}' alknet"); state != "installed" {
		t.Errorf("the package is %s", state)
	}
	until(t, "the status to tell why", func() bool {
		return strings.Contains(m.run("systemctl status --no-pager --full alknet").out, "address already in use")
	})
	m.do(t, "systemctl stop holder")
	until(t, "the service to come up by itself", func() bool { return m.run("systemctl is-active alknet").code == 0 })

	// What the administrator switched off stays off.
	m.do(t, "systemctl disable --now alknet")
	m.do(t, "dpkg -i next.deb")
	for line, want := range map[string]string{"systemctl is-active alknet": "inactive", "systemctl is-enabled alknet": "disabled"} {
		if got := strings.TrimSpace(m.run(line).out); got != want {
			t.Errorf("%s after an upgrade: %s, want %s", line, got, want)
		}
	}
}

// Without a running systemd there is nothing to start; the scripts of the
// package must do with that.
func TestInstallRPM(t *testing.T) {
	rpm := need(t, "rpm")
	this, next := made(t, "ALKNET_RELEASE"), made(t, "ALKNET_RELEASE_NEXT")
	t.Parallel()
	root := debian(t)
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	do := func(arg ...string) string {
		t.Helper()
		arg = append([]string{"--root", root, "--dbpath", "/var/lib/rpm", "--nodeps"}, arg...)
		out, err := exec.Command(rpm, arg...).CombinedOutput()
		if err != nil || strings.Contains(string(out), "scriptlet failed") {
			t.Fatalf("rpm %s: %v\n%s", strings.Join(arg, " "), err, out)
		}
		return string(out)
	}
	inside := func(arg ...string) string { return command(t, "chroot", append([]string{root}, arg...)...) }

	if said := do("-i", packageFile(t, this, "*."+arch+".rpm")); !strings.Contains(said, "systemctl enable --now alknet") {
		t.Errorf("the installation does not say how to start: %s", said)
	}
	old := inside("alknet", "version")
	inside("getent", "passwd", "alknet")
	if err := os.MkdirAll(filepath.Join(root, data), 0o700); err != nil {
		t.Fatal(err)
	}
	do("-U", packageFile(t, next, "*."+arch+".rpm"))
	if inside("alknet", "version") == old {
		t.Errorf("the upgrade left %s", old)
	}
	if said := do("-e", "alknet"); !strings.Contains(said, data) {
		t.Errorf("the removal does not say where the data stays: %s", said)
	}
	for path, want := range map[string]bool{data: true, "/usr/bin/alknet": false, "/usr/lib/systemd/system/alknet.service": false} {
		if _, err := os.Stat(filepath.Join(root, path)); (err == nil) != want {
			t.Errorf("%s exists: %t, want %t", path, err == nil, want)
		}
	}
}
