//go:build unix

package service

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alkdev/alknet/alknet/internal/datadir"
)

// machine is a host made of a folder; it writes down what it was to run.
type machine struct {
	Host
	t    *testing.T
	show string // what systemctl show says
	ran  []string
}

func newMachine(t *testing.T, uid int) *machine {
	t.Helper()
	m := &machine{t: t}
	m.Host = Host{Root: t.TempDir(), UID: uid, User: "ann", Home: "/home/ann", Config: "/home/ann/.config"}
	m.Run = func(_ context.Context, argv ...string) (string, error) {
		line := strings.Join(argv, " ")
		if strings.Contains(line, " show ") {
			return m.show, nil
		}
		m.ran = append(m.ran, line)
		return "", nil
	}
	m.write("/usr/local/bin/alknet", "")
	if err := os.Chmod(m.path("/usr/local/bin/alknet"), 0o755); err != nil {
		t.Fatal(err)
	}
	for p := m.Root; p != "/" && p != os.TempDir(); p = filepath.Dir(p) {
		os.Chmod(p, 0o755)
	}
	return m
}

func (m *machine) write(path, content string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(m.path(path)), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(m.path(path), []byte(content), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) content(path string) string {
	m.t.Helper()
	raw, err := os.ReadFile(m.path(path))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(raw)
}

func (m *machine) install(o Options) []string {
	m.t.Helper()
	p, err := systemd{m.Host}.Install(o)
	if err != nil {
		m.t.Fatal(err)
	}
	return m.run(p)
}

func (m *machine) run(p Plan) []string {
	m.t.Helper()
	m.ran = nil
	if err := p.Run(m.t.Context(), m.Host); err != nil {
		m.t.Fatal(err)
	}
	return m.ran
}

func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains("\n"+text+"\n", "\n"+l+"\n") {
			t.Errorf("no line %q in:\n%s", l, text)
		}
	}
}

const ownUnit = systemFolder + "/" + serviceUnit

func system(o Options) Options {
	o.System, o.Program = true, "/usr/local/bin/alknet"
	return o
}

func TestSystemdInstallAndUninstall(t *testing.T) {
	m := newMachine(t, 0)
	ran := m.install(system(Options{Listen: []string{":443", "127.0.0.1:4433"}, Now: true}))
	if want := []string{
		"systemd-sysusers /etc/sysusers.d/alknet.conf", "systemctl daemon-reload", "systemctl enable alknet.service",
		"systemctl stop alknet.service", "systemctl start alknet.service",
	}; !slices.Equal(ran, want) {
		t.Errorf("ran %q", ran)
	}
	unit := m.content(ownUnit)
	has(t, unit, "ExecStart=/usr/local/bin/alknet serve --listen :443 --listen 127.0.0.1:4433 --data /var/lib/alknet",
		"ExecReload=/usr/local/bin/alknet reload --data /var/lib/alknet", "StateDirectory=alknet", "User=alknet")
	if strings.Contains(unit, "/usr/bin/alknet") {
		t.Error("the program of the package is still in the unit")
	}
	has(t, m.content(sysusers), `u alknet - "alknet node" /var/lib/alknet`)

	// The same again stops nothing; something else does.
	if ran := m.install(system(Options{Listen: []string{":443", "127.0.0.1:4433"}, Now: true})); slices.Contains(ran, "systemctl stop alknet.service") {
		t.Errorf("the same again ran %q", ran)
	}
	if ran := m.install(system(Options{Now: true})); !slices.Contains(ran, "systemctl stop alknet.service") {
		t.Errorf("a change ran %q", ran)
	}

	m.show = "LoadState=loaded\nUnitFileState=enabled\nExecStart={ path=/x ; argv[]=/x serve --data /var/lib/alknet ; ignore_errors=no ; }\n"
	p, err := systemd{m.Host}.Uninstall(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(p.Notes, "the data stays in /var/lib/alknet") {
		t.Errorf("notes %q", p.Notes)
	}
	if ran := m.run(p); ran[0] != "systemctl disable --now alknet.service" {
		t.Errorf("ran %q", ran)
	}
	for _, path := range []string{ownUnit, sysusers} {
		if m.exists(path) {
			t.Errorf("%s is left", path)
		}
	}
	m.show = "LoadState=not-found\n"
	if p, err = (systemd{m.Host}).Uninstall(t.Context(), true); err != nil || !p.Empty() {
		t.Errorf("again: %+v, %v", p, err)
	}
}

func TestSystemdSocket(t *testing.T) {
	m := newMachine(t, 0)
	ran := m.install(system(Options{Listen: []string{":443", "192.0.2.1:4433", "[2001:db8::1]:4433"}, Socket: true, Now: true}))
	want := []string{"systemctl enable alknet.socket alknet.service", "systemctl stop alknet.socket alknet.service",
		"systemctl start alknet.socket", "systemctl start alknet.service"}
	if !slices.Equal(ran[2:], want) {
		t.Errorf("ran %q", ran)
	}
	socket := systemFolder + "/" + socketUnit
	has(t, m.content(socket), "ListenStream=443", "ListenDatagram=443", "ListenStream=192.0.2.1:4433",
		"ListenStream=[2001:db8::1]:4433", "ListenDatagram=[2001:db8::1]:4433")
	if text := m.content(socket); strings.Count(text, "Listen") != 6 {
		t.Errorf("the port of the package is still there:\n%s", text)
	}
	has(t, m.content(ownUnit), "ExecStart=/usr/local/bin/alknet serve --data /var/lib/alknet")

	m.show = "LoadState=loaded\n"
	p, err := systemd{m.Host}.Uninstall(t.Context(), true)
	if err != nil || len(p.Before) != 2 || !slices.Contains(p.Before[0].Argv, socketUnit) || !slices.Contains(p.Before[1].Argv, serviceUnit) {
		t.Errorf("uninstall begins with %v, %v", p.Before, err)
	}

	if ran := m.install(system(Options{})); ran[0] != "systemctl disable --now alknet.socket" || m.exists(socket) {
		t.Errorf("without a socket again: ran %q", ran)
	}
	for _, bad := range []string{"443", "localhost:443", "127.0.0.1:0", ":0", ":x", ":70000"} {
		if _, err := (systemd{m.Host}).Install(system(Options{Listen: []string{bad}, Socket: true})); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestSystemdData(t *testing.T) {
	for _, test := range []struct {
		data string
		want []string // of the unit
		fail string
	}{
		{"/var/lib/nodes/a", []string{"StateDirectory=nodes/a", "WorkingDirectory=/var/lib/nodes/a"}, ""},
		{"/srv/my node", []string{"StateDirectory=", `ReadWritePaths="/srv/my node"`, "WorkingDirectory=/srv/my node",
			`ExecStart=/usr/local/bin/alknet serve --data "/srv/my node"`}, ""},
		{"/srv/100%$x", []string{"ExecStart=/usr/local/bin/alknet serve --data /srv/100%%$$x"}, ""},
		{"/home/ann/data", nil, "does not see /home"},
		{"/tmp/x", nil, "does not see /tmp"},
		{"/var/tmp", nil, "does not see /var/tmp"},
		{"/", nil, "cannot be"},
		{"/var/lib", nil, "cannot be"},
		{"/var", nil, "cannot be"},
		{"/opt", nil, "cannot be"},
		{"/etc", nil, "cannot be"},
		{"relative", nil, "cannot be"},
		{"/srv/../home/x", nil, "cannot be"},
		{"/srv/a\nb", nil, "cannot be"},
	} {
		t.Run(test.data, func(t *testing.T) {
			m := newMachine(t, 0)
			p, err := systemd{m.Host}.Install(system(Options{Data: test.data}))
			if test.fail != "" {
				if err == nil || !strings.Contains(err.Error(), test.fail) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			has(t, p.Files[0].Content, test.want...)
		})
	}
}

func TestSystemdProgram(t *testing.T) {
	m := newMachine(t, 0)
	closed := m.path("/opt/closed")
	if err := os.MkdirAll(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	m.write("/opt/closed/alknet", "")
	for _, program := range []string{"/home/ann/alknet", "/root/go/bin/alknet", "/tmp/alknet", "/opt/closed/alknet", "/nowhere/alknet"} {
		if _, err := (systemd{m.Host}).Install(Options{System: true, Program: program}); err == nil {
			t.Errorf("%s was taken", program)
		}
	}
}

// TestSystemdForeignFiles: what is in the way stays, and nothing else changes.
func TestSystemdForeignFiles(t *testing.T) {
	for _, path := range []string{ownUnit, sysusers, systemFolder + "/" + socketUnit} {
		t.Run(path, func(t *testing.T) {
			m := newMachine(t, 0)
			m.write(path, "[Unit]\nDescription=mine\n")
			p, err := systemd{m.Host}.Install(system(Options{Socket: true}))
			if err != nil {
				t.Fatal(err)
			}
			var foreign *ForeignFileError
			if err := p.Run(t.Context(), m.Host); !errors.As(err, &foreign) || foreign.Path != path {
				t.Errorf("got %v", err)
			}
			if len(m.ran) != 0 || m.content(path) != "[Unit]\nDescription=mine\n" {
				t.Errorf("ran %q, and the file is %q", m.ran, m.content(path))
			}
			for _, other := range []string{ownUnit, sysusers} {
				if other != path && m.exists(other) {
					t.Errorf("%s was written", other)
				}
			}
		})
	}
	t.Run("masked", func(t *testing.T) {
		m := newMachine(t, 0)
		m.write(systemFolder+"/x", "")
		if err := os.Symlink("/dev/null", m.path(ownUnit)); err != nil {
			t.Fatal(err)
		}
		p, err := systemd{m.Host}.Install(system(Options{}))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Run(t.Context(), m.Host); !errors.As(err, new(*ForeignFileError)) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("uninstall", func(t *testing.T) {
		m := newMachine(t, 0)
		m.install(system(Options{}))
		m.write(ownUnit, "[Unit]\n")
		if _, err := (systemd{m.Host}).Uninstall(t.Context(), true); !errors.As(err, new(*ForeignFileError)) {
			t.Errorf("got %v", err)
		}
	})
}

// TestSystemdPackage: where a package has brought the unit, only what differs
// is written.
func TestSystemdPackage(t *testing.T) {
	m := newMachine(t, 0)
	m.write("/lib/systemd/system/"+serviceUnit, unitText("systemd/alknet.service"))
	if ran := m.install(Options{System: true, Program: "/usr/bin/alknet"}); slices.Contains(ran, "systemd-sysusers") {
		t.Errorf("ran %q", ran)
	}
	if m.exists(ownUnit) || m.exists(sysusers) || m.exists(systemDropIn) {
		t.Error("the unit of the package was replaced")
	}
	m.install(Options{System: true, Program: "/usr/bin/alknet", Listen: []string{":443"}})
	has(t, m.content(systemDropIn), "[Service]", "ExecStart=", "ExecStart=/usr/bin/alknet serve --listen :443 --data /var/lib/alknet",
		"ExecReload=", "ExecReload=/usr/bin/alknet reload --data /var/lib/alknet")
	m.install(Options{System: true, Program: "/usr/bin/alknet"})
	if m.exists(systemDropIn) || m.exists(filepath.Dir(systemDropIn)) {
		t.Error("the drop-in is left")
	}
	m.show = "LoadState=loaded\nUnitFileState=enabled\n"
	p, err := systemd{m.Host}.Uninstall(t.Context(), true)
	if err != nil || len(p.Remove) != 0 || !strings.Contains(strings.Join(p.Notes, "\n"), "apt remove alknet") {
		t.Errorf("%+v, %v", p, err)
	}
	if ran := m.run(p); ran[0] != "systemctl disable --now alknet.socket" || ran[1] != "systemctl disable --now alknet.service" {
		t.Errorf("ran %q", ran)
	}
}

// TestSystemdThenPackage: the unit of before the package hides the package's no
// longer.
func TestSystemdThenPackage(t *testing.T) {
	m := newMachine(t, 0)
	m.install(system(Options{}))
	m.write("/usr/lib/systemd/system/"+serviceUnit, unitText("systemd/alknet.service"))
	ran := m.install(Options{System: true, Program: "/usr/bin/alknet"})
	if m.exists(ownUnit) || m.exists(sysusers) {
		t.Error("the old unit is left")
	}
	if want := []string{"systemctl disable alknet.service", "systemctl daemon-reload", "systemctl enable alknet.service"}; !slices.Equal(ran, want) {
		t.Errorf("ran %q", ran)
	}
	m.write(ownUnit, "[Unit]\nDescription=mine\n")
	m.install(Options{System: true, Program: "/usr/bin/alknet"})
	if m.content(ownUnit) != "[Unit]\nDescription=mine\n" {
		t.Error("somebody else's unit was removed")
	}
}

// TestForeignData: a folder with other files is not given to the account.
func TestForeignData(t *testing.T) {
	m := newMachine(t, 0)
	m.write("/srv/www/index.html", "")
	m.write("/var/lib/postgresql/data", "")
	m.write("/srv/node/version", "1")
	if err := os.Mkdir(m.path("/srv/empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{"/srv/www", "/var/lib/postgresql"} {
		if _, err := (systemd{m.Host}).Install(system(Options{Data: data})); !errors.Is(err, datadir.ErrForeign) {
			t.Errorf("%s: %v", data, err)
		}
		if _, err := (launchd{m.Host}).Install(system(Options{Data: data})); !errors.Is(err, datadir.ErrForeign) {
			t.Errorf("%s, launchd: %v", data, err)
		}
	}
	for _, data := range []string{"/srv/node", "/srv/empty", "/srv/new"} {
		if _, err := (systemd{m.Host}).Install(system(Options{Data: data})); err != nil {
			t.Errorf("%s: %v", data, err)
		}
	}
}

func TestSystemdUser(t *testing.T) {
	m := newMachine(t, 1000)
	o := Options{Program: "/home/ann/bin/alknet", Data: "/home/ann/.config/alknet", Now: true}
	p, err := systemd{m.Host}.Install(o)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(p.Notes, "\n"), "loginctl enable-linger") {
		t.Errorf("notes %q", p.Notes)
	}
	for _, line := range m.run(p) {
		if !strings.HasPrefix(line, "systemctl --user ") {
			t.Errorf("ran %q", line)
		}
	}
	unit := m.content("/home/ann/.config/systemd/user/" + serviceUnit)
	has(t, unit, "ExecStart=/home/ann/bin/alknet serve --data /home/ann/.config/alknet", "WantedBy=default.target")
	for _, not := range []string{"User=", "ProtectSystem", "StateDirectory", "/usr/bin/alknet"} {
		if strings.Contains(unit, "\n"+not) {
			t.Errorf("the unit of a person has %s", not)
		}
	}
	m.write("/var/lib/systemd/linger/ann", "")
	if p, err = (systemd{m.Host}).Install(o); err != nil || strings.Contains(strings.Join(p.Notes, "\n"), "linger") {
		t.Errorf("notes %q, %v", p.Notes, err)
	}
}

func TestSystemdCheck(t *testing.T) {
	root, ann := newMachine(t, 0), newMachine(t, 1000)
	if err := (systemd{root.Host}).Check(true, "x"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without systemd: %v", err)
	}
	for _, m := range []*machine{root, ann} {
		m.write("/run/systemd/system/x", "")
	}
	if err := (systemd{root.Host}).Check(true, "x"); err != nil {
		t.Error(err)
	}
	if err := (systemd{ann.Host}).Check(true, "alknet service install"); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "sudo alknet service install") {
		t.Errorf("a person: %v", err)
	}
	if err := (systemd{ann.Host}).Check(false, "x"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without a session: %v", err)
	}
	ann.write("/run/user/1000/systemd/private", "")
	if err := (systemd{ann.Host}).Check(false, "x"); err != nil {
		t.Error(err)
	}
}

func TestSystemdStatus(t *testing.T) {
	m := newMachine(t, 0)
	m.show = `LoadState=loaded
UnitFileState=enabled
ActiveState=active
SubState=running
MainPID=42
StateChangeTimestamp=@1795472182
FragmentPath=/etc/systemd/system/alknet.service
ExecStart={ path=/usr/bin/alknet ; argv[]=/usr/bin/alknet serve --listen :443 --data /srv/my node ; ignore_errors=no ; start_time=[n/a] }
`
	st, err := systemd{m.Host}.Status(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if !st.Installed || !st.Enabled || !st.Running || st.PID != 42 || st.State != "active (running)" || st.Data != "/srv/my node" ||
		st.Since == nil || st.Since.Unix() != 1795472182 || st.Unit != "/etc/systemd/system/alknet.service" {
		t.Errorf("got %+v", st)
	}
	m.show = "LoadState=not-found\nActiveState=inactive\nSubState=dead\nMainPID=0\nStateChangeTimestamp=\n"
	if st, err = (systemd{m.Host}).Status(t.Context(), true); err != nil || st.Installed || st.Running || st.State != "" || st.Since != nil {
		t.Errorf("got %+v, %v", st, err)
	}
}

func TestFailedCommandStops(t *testing.T) {
	m := newMachine(t, 0)
	inner := m.Run
	m.Run = func(ctx context.Context, argv ...string) (string, error) {
		inner(ctx, argv...)
		if argv[0] == "systemd-sysusers" {
			return "", &CommandError{Argv: argv, Output: "no room\n", Err: errors.New("exit status 1")}
		}
		return "", nil
	}
	p, err := systemd{m.Host}.Install(system(Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context(), m.Host); err == nil || err.Error() != "systemd-sysusers /etc/sysusers.d/alknet.conf: no room" || len(m.ran) != 1 {
		t.Errorf("got %v after %q", err, m.ran)
	}
}
