package auth

import (
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

// Action is one thing that somebody wants to do, in the form that scopes are
// compared with. It is comparable. The zero Action is allowed to nobody.
//
// The constructors never fail: a malformed target makes an action that only
// the admin scope covers. Each area reads its targets in one way (see the
// package comment); a constructor that does not fit the area makes an action
// which no scope with a target covers.
type Action struct {
	area, verb string
	kind       kind
	text       string // host name, path, name, or argv joined by NUL
	addr       netip.Addr
	port       uint16
	bad        bool
}

// Do is an action without a target, such as ssh:shell or git:admin. A scope
// with a target does not cover it: it stands for all of them. In the call
// area, verb is the operation's name.
func Do(area, verb string) Action {
	if area == areaCall {
		return DoName(area, "", verb)
	}
	return newAction(area, verb, kindNone)
}

// DoHost is an action on a host and TCP port: ssh:forward or ssh:listen. The
// host is a DNS name (any case, a trailing dot is ignored) or an IP address
// without brackets; an IPv4-mapped IPv6 address counts as the IPv4 address it
// means. A name is never taken for an address, even if it resolves to one.
// Names that some resolvers take for IPv4 addresses (0x7f.1, 010.0.0.1) are
// malformed. An address with a zone is covered by the host * alone. For
// ssh:listen an empty host means every address, covered by * alone.
func DoHost(area, verb, host string, port uint16) Action {
	a := newAction(area, verb, kindHost)
	a.port = port
	if addr, err := netip.ParseAddr(host); err == nil {
		a.addr = addr.Unmap()
		return a
	}
	name, reason := cleanHostName(host)
	a.text = name
	if reason != "" && (host != "" || verb != "listen") {
		a.text, a.bad = host, true
	}
	return a
}

// DoPath is an action on a file: sftp:read, sftp:write, ssh:streamlocal. The
// path must be absolute and is cleaned lexically. Act on what [Action.Target]
// returns, not on the path as it came in: with symbolic links, a/../b need
// not be b.
func DoPath(area, verb, file string) Action {
	a := newAction(area, verb, kindPath)
	if !strings.HasPrefix(file, "/") || strings.Contains(file, "\x00") {
		a.text, a.bad = file, true
		return a
	}
	a.text = path.Clean(file)
	return a
}

// DoName is an action on something with a hierarchical name, components
// separated by '/': a git repository or an operation of the call protocol.
// Names are compared byte by byte. Empty components, "." and ".." are
// malformed. The call area has no verbs: verb is ignored there.
func DoName(area, verb, name string) Action {
	if area == areaCall {
		verb = ""
	}
	a := newAction(area, verb, kindName)
	a.text = name
	a.bad = a.bad || checkName(name) != ""
	return a
}

// DoArgv is the action of running a command, given as the words it is to be
// run with, without a shell: ssh:exec. [ParseArgv] splits a command line.
func DoArgv(area, verb string, argv []string) Action {
	a := newAction(area, verb, kindArgv)
	a.text = strings.Join(argv, "\x00")
	a.bad = a.bad || len(argv) == 0 || strings.Count(a.text, "\x00") != len(argv)-1
	return a
}

func newAction(area, verb string, k kind) Action {
	bad := !isWord(area) || !isWord(verb) && area != areaCall || area == areaCall && k != kindName
	return Action{area: area, verb: verb, kind: k, bad: bad}
}

// reserved reports whether area:* leaves the action out.
func (a Action) reserved() bool {
	switch a.area {
	case areaSSH:
		if a.verb == "listen" || strings.HasPrefix(a.verb, "streamlocal") {
			return true
		}
	case areaCall:
		return isAdminName(a.text)
	}
	return a.verb == verbAdmin || strings.HasPrefix(a.verb, verbAdmin+"-")
}

// Target returns the target as it was compared with the scopes: host:port, a
// cleaned path, a name, or a quoted command line; "" when there is none. It
// may tell where a user's traffic goes, so it belongs in no log by default.
func (a Action) Target() string {
	switch a.kind {
	case kindHost:
		host := a.text
		if a.addr.IsValid() {
			host = a.addr.String()
		}
		return net.JoinHostPort(host, strconv.Itoa(int(a.port)))
	case kindArgv:
		return JoinArgv(strings.Split(a.text, "\x00"))
	}
	return a.text
}

// String returns area:verb[:target]. For a log, where the target does not
// belong, take [Action.Name].
func (a Action) String() string {
	if a.kind == kindNone {
		return a.Name()
	}
	return a.Name() + ":" + a.Target()
}

// Name returns area:verb without the target.
func (a Action) Name() string {
	if a.verb == "" {
		return a.area
	}
	return a.area + ":" + a.verb
}
