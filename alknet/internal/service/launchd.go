package service

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os/user"
	"path"
	"strconv"
	"strings"
)

//go:embed launchd/alknet.plist
var plist string

const (
	label = "io.github.alkdev.alknet"
	// launchdAccount owns the machine's node on macOS, where accounts of
	// services start with an underscore.
	launchdAccount = "_alknet"
	launchdData    = "/usr/local/var/alknet"
)

// launchd is the manager of macOS.
type launchd struct{ host Host }

func (l launchd) Check(system bool, line string) error {
	if !system {
		return nil
	}
	if l.host.UID != 0 {
		return &PermissionError{"a service of the whole machine is root's to manage", "run: sudo " + line}
	}
	if _, err := user.Lookup(launchdAccount); err != nil {
		return &UnsupportedError{"manage the service", "there is no account " + launchdAccount + ", under which peers' commands would run",
			"make one: sudo sysadminctl -addUser " + launchdAccount + " -roleAccount -UID 450 -home " + launchdData + " -shell /usr/bin/false"}
	}
	return nil
}

func (l launchd) Install(o Options) (p Plan, err error) {
	if o.Socket {
		return p, &UnsupportedError{"have the service manager hold the port", "launchd passes sockets in a way of its own", "leave --socket out"}
	}
	if o.System && o.Data == "" {
		o.Data = launchdData
	}
	if o.System {
		if err := l.host.checkFree(o.Data); err != nil {
			return p, err
		}
	}
	file := File{l.file(o.System), l.render(o)}
	same := l.host.unchanged([]File{file})
	p.Files = append(p.Files, file)
	if o.System {
		p.Commands = append(p.Commands,
			command("install", "-d", "-m", "0700", "-o", launchdAccount, o.Data),
			command("touch", l.log(true)), command("chown", launchdAccount, l.log(true)), command("chmod", "0640", l.log(true)))
	}
	p.Commands = append(p.Commands, command("launchctl", "enable", l.target(o.System)))
	p.Notes = append(p.Notes, "data: "+o.Data, "log: "+l.log(o.System))
	if !o.System {
		p.Notes = append(p.Notes, "it runs while you are logged in; as root, 'alknet service install' makes one that runs always")
	}
	if !o.Now {
		p.Notes = append(p.Notes, "it starts at the next boot or login; at once: launchctl bootstrap "+l.domain(o.System)+" "+l.file(o.System))
		return p, nil
	}
	if !same {
		p.Commands = append(p.Commands, mayFail(command("launchctl", "bootout", l.target(o.System))))
	}
	bootstrap := command("launchctl", "bootstrap", l.domain(o.System), l.file(o.System))
	bootstrap.MayFail = same // it may run already
	p.Commands = append(p.Commands, bootstrap)
	return p, nil
}

func (l launchd) Uninstall(ctx context.Context, system bool) (p Plan, err error) {
	file := l.file(system)
	if p.Remove = l.host.ours(file); len(p.Remove) == 0 {
		if l.host.exists(file) {
			return p, &ForeignFileError{file}
		}
		return p, nil
	}
	p.Before = append(p.Before, mayFail(command("launchctl", "bootout", l.target(system))))
	if now, err := l.Status(ctx, system); err == nil && now.Data != "" {
		p.Notes = append(p.Notes, "the data stays in "+now.Data)
	}
	return p, nil
}

// Status reads the file, and asks launchctl whether that is running.
func (l launchd) Status(ctx context.Context, system bool) (Status, error) {
	st := Status{Manager: "launchd", Scope: scope(system)}
	file := l.file(system)
	raw, err := l.host.read(file)
	if err != nil {
		return st, nil
	}
	st.Installed, st.Enabled, st.Unit = true, true, file
	st.Data = plistData(raw)
	out, err := l.host.Run(ctx, "launchctl", "print", l.target(system))
	if err != nil {
		var failed *CommandError
		if errors.As(err, &failed) {
			st.State = "not loaded"
			return st, nil
		}
		return st, err
	}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " = ")
		switch {
		case key == "state" && st.State == "":
			st.State, st.Running = value, value == "running"
		case key == "pid" && st.PID == 0:
			st.PID, _ = strconv.Atoi(value)
		}
	}
	return st, nil
}

func (l launchd) render(o Options) string {
	args := []string{o.Program, "serve"}
	for _, a := range o.Listen {
		args = append(args, "--listen", a)
	}
	args = append(args, "--data", o.Data)
	var list strings.Builder
	for _, a := range args {
		fmt.Fprintf(&list, "\t\t<string>%s</string>\n", escaped(a))
	}
	owner := ""
	if o.System {
		owner = "\t<key>UserName</key>\n\t<string>" + launchdAccount + "</string>\n"
	}
	text := strings.NewReplacer("ARGUMENTS", list.String(), "OWNER", owner, "LOGFILE", escaped(l.log(o.System))).Replace(plist)
	return strings.Replace(text, "<dict>", "<!-- "+mark+", which replaces it. -->\n<dict>", 1)
}

var (
	toXML   = []string{"&", "&amp;", "<", "&lt;", ">", "&gt;"}
	fromXML = []string{"&amp;", "&", "&lt;", "<", "&gt;", ">"}
)

func escaped(s string) string { return strings.NewReplacer(toXML...).Replace(s) }

// plistData is the last of the arguments, as render has written it.
func plistData(raw []byte) string {
	_, rest, ok := strings.Cut(string(raw), "<string>--data</string>")
	if !ok {
		return ""
	}
	_, rest, _ = strings.Cut(rest, "<string>")
	data, _, ok := strings.Cut(rest, "</string>")
	if !ok {
		return ""
	}
	return strings.NewReplacer(fromXML...).Replace(data)
}

func (l launchd) log(system bool) string {
	if system {
		return "/Library/Logs/alknet.log"
	}
	return path.Join(l.host.Home, "Library/Logs/alknet.log")
}

func (l launchd) file(system bool) string {
	if system {
		return "/Library/LaunchDaemons/" + label + ".plist"
	}
	return path.Join(l.host.Home, "Library/LaunchAgents", label+".plist")
}

func (l launchd) domain(system bool) string {
	if system {
		return "system"
	}
	return fmt.Sprintf("gui/%d", l.host.UID)
}

func (l launchd) target(system bool) string { return l.domain(system) + "/" + label }
