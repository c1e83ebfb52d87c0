package service

import (
	"embed"
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strings"
)

//go:embed systemd
var unitFiles embed.FS

const header = "# " + mark + ", which replaces it: put changes into a drop-in ('systemctl edit " + Name + "')."

func unitText(name string) string {
	raw, err := unitFiles.ReadFile(name)
	if err != nil {
		panic(err) // it is part of the program
	}
	return string(raw)
}

// A setting replaces what the unit says for its key.
type setting struct{ key, value string }

// settings are what the options change in the units.
func (o Options) settings() []setting {
	program := o.Program
	if program == "" {
		program = "/usr/bin/alknet"
	}
	start := unitWord(program) + " serve"
	if !o.Socket {
		for _, a := range o.Listen {
			start += " --listen " + unitWord(a)
		}
	}
	data := " --data " + unitWord(o.Data)
	list := []setting{
		{"ExecStart", start + data},
		{"ExecReload", unitWord(program) + " reload" + data},
	}
	if !o.System || o.Data == systemData {
		return list
	}
	list = append(list, setting{"WorkingDirectory", strings.ReplaceAll(o.Data, "%", "%%")})
	if state, ok := stateDirectory(o.Data); ok {
		return append(list, setting{"StateDirectory", unitWord(state)})
	}
	return append(list, setting{"StateDirectory", ""}, setting{"ReadWritePaths", unitWord(o.Data)})
}

// render is a unit of this package with the settings in the place of its own.
func render(name string, o Options) string {
	left := o.settings()
	var b strings.Builder
	b.WriteString(header + "\n")
	for line := range strings.Lines(unitText(name)) {
		key, _, _ := strings.Cut(line, "=")
		if i := slices.IndexFunc(left, func(s setting) bool { return s.key == key }); i >= 0 {
			fmt.Fprintf(&b, "%s=%s\n", key, left[i].value)
			left = slices.Delete(left, i, i+1)
			continue
		}
		if strings.HasPrefix(line, "[Install]") {
			for _, s := range left {
				fmt.Fprintf(&b, "%s=%s\n\n", s.key, s.value)
			}
		}
		b.WriteString(line)
	}
	return b.String()
}

// renderDropIn changes the unit of a package.
func renderDropIn(o Options) string {
	o.Program = ""
	var b strings.Builder
	b.WriteString(header + "\n[Service]\n")
	for _, s := range o.settings() {
		if strings.HasPrefix(s.key, "Exec") {
			fmt.Fprintf(&b, "%s=\n", s.key) // lists add up otherwise
		}
		fmt.Fprintf(&b, "%s=%s\n", s.key, s.value)
	}
	return b.String()
}

func renderSocket(listen []string) (string, error) {
	if len(listen) == 0 {
		listen = []string{":4433"}
	}
	var ports strings.Builder
	for _, a := range listen {
		s, err := socketAddress(a)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&ports, "ListenStream=%s\nListenDatagram=%[1]s\n", s)
	}
	const own = "ListenStream=4433\nListenDatagram=4433\n"
	return header + "\n" + strings.Replace(unitText("systemd/alknet.socket"), own, ports.String(), 1), nil
}

// socketAddress is an address as systemd.socket(5) writes it.
func socketAddress(a string) (string, error) {
	host, port, err := net.SplitHostPort(a)
	if err != nil {
		return "", fmt.Errorf("listen on %q: write host:port, for example :4433 or 192.0.2.1:4433: %w", a, err)
	}
	if host == "" {
		if _, err := netip.ParseAddrPort("[::]:" + port); err != nil || port == "0" {
			return "", fmt.Errorf("listen on %q: the service manager needs a port from 1 to 65535", a)
		}
		return port, nil
	}
	ap, err := netip.ParseAddrPort(a)
	if err != nil || ap.Port() == 0 {
		return "", fmt.Errorf("listen on %q: the service manager needs an IP address and a port from 1 to 65535", a)
	}
	return ap.String(), nil
}

// stateDirectory is what StateDirectory= says of a folder below /var/lib.
func stateDirectory(data string) (string, bool) {
	rel, ok := strings.CutPrefix(data, "/var/lib/")
	return rel, ok && rel != ""
}

// shared are folders of the system, which may be empty.
var shared = []string{"/", "/boot", "/etc", "/media", "/mnt", "/opt", "/srv", "/usr", "/usr/local", "/var", "/var/lib", "/var/local", "/var/opt"}

// checkSystemData refuses folders that the sandbox hides or forgets.
func checkSystemData(data string) error {
	if !path.IsAbs(data) || path.Clean(data) != data || slices.Contains(shared, data) || strings.ContainsAny(data, "\n\r") {
		return fmt.Errorf("%q cannot be a data directory: name a folder such as %s", data, systemData)
	}
	for _, hidden := range []string{"/home", "/root", "/run", "/tmp", "/var/tmp", "/proc", "/sys", "/dev"} {
		if data == hidden || strings.HasPrefix(data, hidden+"/") {
			return fmt.Errorf("the service of the machine does not see %s: name a folder such as %s, or install a service of your own, without root", hidden, systemData)
		}
	}
	return nil
}

// unitWord quotes a word of a command line (systemd.service(5), "Command lines").
func unitWord(s string) string {
	s = strings.NewReplacer("%", "%%", "$", "$$").Replace(s)
	plain := strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-:[]%$@+,=", r))
	}) < 0
	if plain && s != "" {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
