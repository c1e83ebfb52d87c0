package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// withProgram boots a machine that has the program and nothing else of a package.
func withProgram(t *testing.T) *machine {
	t.Helper()
	t.Parallel()
	m := boot(t, debian(t))
	program := filepath.Join(t.TempDir(), "alknet")
	cmd := exec.Command("go", "build", "-trimpath", "-o", program, "github.com/alkdev/alknet/alknet")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build alknet: %v\n%s", err, out)
	}
	m.give(t, program, "alknet")
	m.do(t, "install -m 755 alknet /usr/local/bin/alknet && ln -s /usr/local/bin/alknet /usr/bin/alknet")
	return m
}

// override adds a drop-in to the unit, or takes it away.
func (m *machine) override(t testing.TB, lines ...string) {
	t.Helper()
	const dir = "/run/systemd/system/alknet.service.d"
	if len(lines) == 0 {
		m.do(t, "rm -r "+dir+" && systemctl daemon-reload && systemctl reset-failed && systemctl restart alknet")
		return
	}
	m.do(t, "mkdir -p "+dir+" && printf '%s\\n' '[Service]' '"+strings.Join(lines, "' '")+"' >"+dir+"/t.conf && systemctl daemon-reload")
}

func holds(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("no %q in:\n%s", p, text)
		}
	}
}

// TestServiceOfTheMachine is the life of a service that the program itself
// installs, on a port below 1024.
func TestServiceOfTheMachine(t *testing.T) {
	m := withProgram(t)
	if r := m.run("chmod 755 alknet; ./alknet service install"); r.code == 0 || !strings.Contains(r.err, "/root is out of its sight") {
		t.Errorf("a program in root's home: %s", r)
	}
	m.do(t, "alknet service install --now --listen :443")
	pid := m.pid(t)
	m.do(t, "alknet service install --now --listen :443")
	if again := m.pid(t); again != pid {
		t.Errorf("the same installation again changed the process from %s to %s", pid, again)
	}
	holds(t, m.do(t, "alknet service status"), "running    yes", "data       "+data, m.nodeID(t, service))
	m.do(t, "curl --fail --silent --insecure https://127.0.0.1/healthz")
	if user := m.do(t, "stat -c %U /proc/"+pid+" "+data+"/vault.key | uniq"); user != "alknet" && user != "root\nalknet" {
		t.Errorf("process and key belong to %q", user)
	}
	m.login(t)
	m.sandboxed(t)

	m.do(t, "systemctl reload alknet")
	m.do(t, "echo nonsense = 1 >>"+data+"/config.toml")
	if r := m.run("systemctl reload alknet"); r.code == 0 {
		t.Error("a faulty configuration was taken")
	}
	m.do(t, "sed -i '$d' "+data+"/config.toml && systemctl reload alknet")
	if now := m.pid(t); now != pid {
		t.Errorf("reloads changed the process from %s to %s", pid, now)
	}
	m.drains(t)
	m.keyElsewhere(t)
	m.supervised(t)
	if score := m.do(t, "systemd-analyze security --threshold=18 --no-pager alknet | tail -n 1"); !strings.Contains(score, "OK") {
		t.Errorf("exposure: %s", score)
	}
	m.do(t, "alknet service uninstall")
	m.gone(t, data) // which dpkg is to say, and status did
	if left := m.do(t, "find /etc/systemd /etc/sysusers.d /run/systemd/system -name '*alknet*' 2>/dev/null || true"); left != "" {
		t.Errorf("left:\n%s", left)
	}
	m.do(t, "alknet service uninstall")
}

// login makes root's own client a peer with a shell.
func (m *machine) login(t testing.TB) {
	t.Helper()
	m.do(t, "alknet init")
	m.do(t, "alknet "+service+" peer add laptop "+m.nodeID(t, "")+" --scope ssh:exec --scope ssh:shell --as-admin")
	m.do(t, "install -d -m 700 .ssh && alknet ssh-config alknet://"+m.nodeID(t, service)+"@127.0.0.1:443 --alias box >.ssh/config")
}

func (m *machine) sandboxed(t testing.TB) {
	t.Helper()
	terminal := m.run("printf 'tty\\nexit 7\\n' | ssh -tt box")
	if terminal.code != 7 || !strings.Contains(terminal.out, "/dev/pts/") {
		t.Errorf("a shell on a terminal: %s", terminal)
	}
	holds(t, m.do(t, "ssh box 'grep -E \"CapEff|CapAmb|NoNewPrivs\" /proc/self/status; echo $SHELL'"),
		"CapEff:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "/bin/sh")
	m.do(t, "ssh box 'touch ~/own /tmp/own'")
	for _, line := range []string{"touch /etc/x", "touch /var/lib/x", "ls /root", "ls /home", "unshare -U true", "dmesg", "mknod x b 7 0"} {
		if r := m.run("ssh box '" + line + "'"); r.code == 0 {
			t.Errorf("a peer may: %s", r)
		}
	}
	if vars := m.run("ssh box 'env | grep -E \"NOTIFY|LISTEN|CREDENTIALS|WATCHDOG\"'").out; vars != "" {
		t.Errorf("a peer's command inherits %s", vars)
	}
}

// drains stops the node under a command that takes a while.
func (m *machine) drains(t testing.TB) {
	t.Helper()
	holds(t, m.do(t, "ssh box 'touch ~/runs; sleep 2; echo finished' >said & while ! test -e "+data+"/runs; do sleep .1; done; systemctl stop alknet; wait; cat said"), "finished")
	if result := m.do(t, "systemctl show -P Result alknet"); result != "success" {
		t.Errorf("the stop was a %s", result)
	}
	m.do(t, "systemctl start alknet")
}

func (m *machine) keyElsewhere(t testing.TB) {
	t.Helper()
	id := m.nodeID(t, service)
	m.do(t, "systemctl stop alknet && install -d -m 700 /etc/alknet && mv "+data+"/vault.key /etc/alknet/vault.key && chown root: /etc/alknet/vault.key && systemctl start alknet")
	if now := m.nodeID(t, service); now != id {
		t.Errorf("with its key elsewhere the node is %s, and was %s", now, id)
	}
	m.do(t, "systemctl stop alknet && mv /etc/alknet/vault.key "+data+"/ && chown alknet: "+data+"/vault.key && systemctl start alknet")
}

// supervised lets the node hang, crash and be called with nonsense.
func (m *machine) supervised(t testing.TB) {
	t.Helper()
	restarted := func(what, after string) {
		t.Helper()
		until(t, what, func() bool {
			now := strings.TrimSpace(m.run("systemctl show -P MainPID alknet").out)
			return now != "0" && now != after && strings.TrimSpace(m.run("systemctl is-active alknet").out) == "active"
		})
	}
	m.override(t, "WatchdogSec=3s", "RestartSec=100ms")
	m.do(t, "systemctl restart alknet")
	pid := m.pid(t)
	m.do(t, "kill -STOP "+pid)
	restarted("a node that hangs to be restarted", pid)
	pid = m.pid(t)
	m.do(t, "kill -ABRT "+pid)
	restarted("a node that crashed to be restarted", pid)
	m.override(t, "ExecStart=", "ExecStart=/usr/local/bin/alknet serve --nonsense", "RestartSec=100ms")
	m.run("systemctl restart alknet")
	if state, tries := m.run("systemctl is-failed alknet").out, m.do(t, "systemctl show -P NRestarts alknet"); state != "failed\n" || tries != "0" {
		t.Errorf("bad usage: %s, restarted %s times", state, tries)
	}
	m.override(t)
}

// TestServiceWithSocket restarts the node under clients.
func TestServiceWithSocket(t *testing.T) {
	m := withProgram(t)
	m.do(t, "alknet service install --now --socket --listen :443")
	failed := m.do(t, `(while test ! -e done; do curl --silent --insecure --max-time 20 -o /dev/null https://127.0.0.1/healthz || echo failed; echo x >>asked; done) &
		while ! test -e asked; do sleep .1; done
		systemctl restart alknet && systemctl restart alknet && systemctl restart alknet; touch done; wait`)
	if failed != "" {
		t.Errorf("refused:\n%s", failed)
	}
	m.do(t, "alknet ping -c 1 --via quic "+m.nodeID(t, service)+"@127.0.0.1:443")
	m.do(t, "systemctl stop alknet")
	m.do(t, "curl --fail --silent --insecure https://127.0.0.1/healthz")
	if state := m.do(t, "systemctl is-active alknet"); state != "active" {
		t.Errorf("after a connection to the socket the service is %s", state)
	}
	m.do(t, "alknet service install --now --listen :443")
	if state := strings.TrimSpace(m.run("systemctl is-active alknet.socket").out); state != "inactive" {
		t.Errorf("without --socket the socket is %s", state)
	}
	m.do(t, "curl --fail --silent --insecure https://127.0.0.1/healthz")

	// What somebody else has written stays.
	m.do(t, "sed -i 1d /etc/systemd/system/alknet.service")
	for _, line := range []string{"alknet service install", "alknet service uninstall"} {
		if r := m.run(line); r.code != 1 || !strings.Contains(r.err, "was not written by") {
			t.Errorf("%s", r)
		}
	}
	if state := m.do(t, "systemctl is-active alknet"); state != "active" {
		t.Errorf("somebody else's service is %s now", state)
	}
}
