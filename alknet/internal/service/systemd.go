package service

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	serviceUnit = Name + ".service"
	socketUnit  = Name + ".socket"

	systemData   = "/var/lib/alknet"
	systemFolder = "/etc/systemd/system"
	systemDropIn = systemFolder + "/" + serviceUnit + ".d/50-install.conf"
	sysusers     = "/etc/sysusers.d/alknet.conf"
)

// systemd is the manager of most Linux systems.
type systemd struct{ host Host }

func (s systemd) Check(system bool, line string) error {
	if !s.host.exists("/run/systemd/system") {
		return &UnsupportedError{"manage the service", "this machine was not started by systemd",
			"have its own supervisor run 'alknet serve'"}
	}
	if system && s.host.UID != 0 {
		return &PermissionError{"a service of the whole machine is root's to manage", "run: sudo " + line}
	}
	if !system && !s.host.exists(fmt.Sprintf("/run/user/%d/systemd", s.host.UID)) {
		return &UnsupportedError{"manage a service of your own", "your account has no service manager running",
			"log in as this user first (ssh, or a console), or make it the machine's: sudo " + line}
	}
	return nil
}

func (s systemd) Install(o Options) (p Plan, err error) {
	if o.System {
		if o.Data == "" {
			o.Data = systemData
		}
		err = s.systemFiles(&p, o)
	} else {
		err = s.userFiles(&p, o)
	}
	if err != nil {
		return Plan{}, err
	}
	socket := s.folder(o.System) + "/" + socketUnit
	switch {
	case o.Socket:
		text, err := renderSocket(o.Listen)
		if err != nil {
			return Plan{}, err
		}
		p.Files = append(p.Files, File{socket, text})
	case len(s.host.ours(socket)) > 0:
		p.Before = append(p.Before, mayFail(s.control(o.System, "disable", "--now", socketUnit)))
		p.Remove = append(p.Remove, socket)
	}
	s.activate(&p, o)
	return p, nil
}

func (s systemd) systemFiles(p *Plan, o Options) error {
	if err := checkSystemData(o.Data); err != nil {
		return err
	}
	if err := s.host.checkFree(o.Data); err != nil {
		return err
	}
	if s.packaged() {
		// A unit of before the package would hide the package's.
		if old := s.host.ours(systemFolder+"/"+serviceUnit, sysusers); len(old) > 0 {
			p.Before = append(p.Before, mayFail(s.control(true, "disable", serviceUnit)))
			p.Remove = append(p.Remove, old...)
		}
		if o.custom() {
			p.Files = append(p.Files, File{systemDropIn, renderDropIn(o)})
		} else {
			p.Remove = append(p.Remove, s.host.ours(systemDropIn)...)
		}
	} else {
		if err := s.checkProgram(o); err != nil {
			return err
		}
		p.Files = append(p.Files,
			File{systemFolder + "/" + serviceUnit, render("systemd/alknet.service", o)},
			File{sysusers, header + "\n" + unitText("systemd/alknet.conf")})
		p.Commands = append(p.Commands, command("systemd-sysusers", sysusers))
	}
	if _, ok := stateDirectory(o.Data); !ok {
		p.Commands = append(p.Commands, command("install", "-d", "-m", "0700", "-o", Name, "-g", Name, o.Data))
	}
	p.Notes = append(p.Notes, "data: "+o.Data+" (root may use every command there: alknet --data "+o.Data+" status)")
	return nil
}

func (s systemd) userFiles(p *Plan, o Options) error {
	p.Files = append(p.Files, File{s.folder(false) + "/" + serviceUnit, render("systemd/user/alknet.service", o)})
	p.Notes = append(p.Notes, "data: "+o.Data)
	if !s.host.exists("/var/lib/systemd/linger/" + s.host.User) {
		p.Notes = append(p.Notes, "it runs while you are logged in; to have it run without that: loginctl enable-linger")
	}
	return nil
}

// activate appends what makes the manager see the files and act on them.
func (s systemd) activate(p *Plan, o Options) {
	list := []string{serviceUnit}
	if o.Socket {
		list = []string{socketUnit, serviceUnit} // in the order in which they start
	}
	same := s.host.unchanged(p.Files) && len(p.Remove) == 0
	p.Commands = append(p.Commands,
		s.control(o.System, "daemon-reload"),
		s.control(o.System, append([]string{"enable"}, list...)...))
	if !o.Now {
		if !same {
			p.Notes = append(p.Notes, "to start it, or to have a running one take this up: "+
				strings.Join(s.control(o.System, "restart", serviceUnit).Argv, " "))
		}
		return
	}
	if !same {
		// A socket is not given to a service that runs already.
		p.Commands = append(p.Commands, s.control(o.System, append([]string{"stop"}, list...)...))
	}
	for _, u := range list {
		p.Commands = append(p.Commands, s.control(o.System, "start", u))
	}
}

func (s systemd) Uninstall(ctx context.Context, system bool) (p Plan, err error) {
	unit, socket := s.folder(system)+"/"+serviceUnit, s.folder(system)+"/"+socketUnit
	now, err := s.Status(ctx, system)
	if err != nil {
		return p, err
	}
	if s.host.exists(unit) && len(s.host.ours(unit)) == 0 {
		return p, &ForeignFileError{unit}
	}
	p.Remove = s.host.ours(unit, socket)
	packaged := system && s.packaged()
	if system {
		p.Remove = append(p.Remove, s.host.ours(systemDropIn, sysusers)...)
	}
	if len(p.Remove) == 0 && !(packaged && (now.Enabled || now.Running)) {
		return p, nil
	}
	// The socket first: it would start the service again.
	if s.host.exists(socket) || packaged {
		p.Before = append(p.Before, mayFail(s.control(system, "disable", "--now", socketUnit)))
	}
	if now.Installed {
		p.Before = append(p.Before, s.control(system, "disable", "--now", serviceUnit))
	}
	p.Commands = append(p.Commands, s.control(system, "daemon-reload"),
		mayFail(s.control(system, "reset-failed", serviceUnit)))
	if packaged {
		p.Notes = append(p.Notes, "the unit itself belongs to a package: apt remove alknet, or dnf remove alknet")
	}
	if now.Data != "" {
		p.Notes = append(p.Notes, "the data stays in "+now.Data)
	}
	if system {
		p.Notes = append(p.Notes, "so does its owner, the account "+Name)
	}
	return p, nil
}

// Status asks systemctl, which anybody may.
func (s systemd) Status(ctx context.Context, system bool) (Status, error) {
	st := Status{Manager: "systemd", Scope: scope(system)}
	// A unit that is not there is no error of show.
	out, err := s.host.Run(ctx, s.control(system, "show", "--timestamp=unix",
		"--property=LoadState,UnitFileState,ActiveState,SubState,MainPID,StateChangeTimestamp,FragmentPath,ExecStart", serviceUnit).Argv...)
	if err != nil {
		return st, err
	}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch key {
		case "LoadState":
			st.Installed = value == "loaded"
		case "UnitFileState":
			st.Enabled = strings.HasPrefix(value, "enabled")
		case "ActiveState":
			st.Running = value == "active" || value == "reloading"
			st.State = value
		case "SubState":
			st.State += " (" + value + ")"
		case "MainPID":
			st.PID, _ = strconv.Atoi(value)
		case "StateChangeTimestamp":
			if sec, err := strconv.ParseInt(strings.TrimPrefix(value, "@"), 10, 64); err == nil && sec > 0 {
				t := time.Unix(sec, 0).UTC()
				st.Since = &t
			}
		case "FragmentPath":
			st.Unit = value
		case "ExecStart":
			st.Data = dataOf(value)
		}
	}
	if !st.Installed {
		st.State = ""
	}
	return st, nil
}

// dataOf reads the data directory off the command line, where it comes last.
func dataOf(execStart string) string {
	_, rest, ok := strings.Cut(execStart, " --data ")
	if !ok {
		return ""
	}
	data, _, _ := strings.Cut(rest, " ; ignore_errors=")
	return data
}

func (s systemd) folder(system bool) string {
	if system {
		return systemFolder
	}
	return path.Join(s.host.Config, "systemd/user")
}

func (s systemd) control(system bool, args ...string) Command {
	argv := []string{"systemctl"}
	if !system {
		argv = append(argv, "--user")
	}
	return Command{Argv: append(argv, args...)}
}

// packaged reports whether a package has brought the unit.
func (s systemd) packaged() bool {
	return s.host.exists("/usr/lib/systemd/system/"+serviceUnit) || s.host.exists("/lib/systemd/system/"+serviceUnit)
}

// checkProgram refuses one that the account of the service, in its sandbox,
// could not run.
func (s systemd) checkProgram(o Options) error {
	bad := func(why string) error {
		return fmt.Errorf("the service cannot run %s, %s: copy it ('install -m 755 %[1]s /usr/local/bin/alknet') and run /usr/local/bin/alknet service install", o.Program, why)
	}
	for _, hidden := range []string{"/home", "/root", "/run/user", "/tmp", "/var/tmp"} {
		if o.Program == hidden || strings.HasPrefix(o.Program, hidden+"/") {
			return bad(hidden + " is out of its sight")
		}
	}
	for p := o.Program; ; p = filepath.Dir(p) {
		fi, err := os.Stat(s.host.path(p))
		if err != nil {
			return fmt.Errorf("find the program: %w", err)
		}
		if fi.Mode().Perm()&0o005 != 0o005 {
			return bad(p + " is closed to other accounts")
		}
		if p == filepath.Dir(p) {
			return nil
		}
	}
}

// custom reports whether the unit of a package does not do as it is.
func (o Options) custom() bool { return o.Data != systemData || len(o.Listen) > 0 && !o.Socket }

func scope(system bool) string {
	if system {
		return "system"
	}
	return "user"
}

func command(argv ...string) Command { return Command{Argv: argv} }

func mayFail(c Command) Command {
	c.MayFail = true
	return c
}
