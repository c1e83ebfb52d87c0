package ssh

import (
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
)

const defaultPath = "/usr/local/bin:/usr/bin:/bin"

var defaultAcceptEnv = []string{"LANG", "LC_*", "TERM", "COLORTERM", "GIT_PROTOCOL"}

// acceptsEnv reports whether a client may set the variable.
func (s *Server) acceptsEnv(name string) bool {
	accept := s.AcceptEnv
	if accept == nil {
		accept = defaultAcceptEnv
	}
	for _, pattern := range accept {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(name, prefix) || pattern == name {
			return true
		}
	}
	return false
}

func (s *Server) shell() string {
	if s.Shell != "" {
		return s.Shell
	}
	if sh := os.Getenv("SHELL"); filepath.IsAbs(sh) {
		return sh
	}
	return "/bin/sh"
}

func (s *Server) dir() string {
	if s.Dir != "" {
		return s.Dir
	}
	if home, err := os.UserHomeDir(); err == nil {
		if info, err := os.Stat(home); err == nil && info.IsDir() {
			return home
		}
	}
	return "/"
}

// environ builds a session's environment; of two values of a name the later
// one counts.
func (s *Server) environ(l *login, fromClient []string, term string) []string {
	env := []string{"PATH=" + defaultPath}
	for _, name := range []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	if u, err := user.Current(); err == nil {
		env = append(env, "HOME="+u.HomeDir, "USER="+u.Username, "LOGNAME="+u.Username)
	}
	env = append(env, "SHELL="+s.shell())
	env = append(env, s.Env...)
	env = append(env, fromClient...)
	env = append(env, "ALKNET_PEER="+l.identity.Name)
	if conn, ok := sshConnection(l.transport.RemoteAddr(), l.transport.LocalAddr()); ok {
		env = append(env, "SSH_CONNECTION="+conn)
	}
	if term != "" {
		env = append(env, "TERM="+term)
	}
	return env
}

// sshConnection is the value of SSH_CONNECTION (ssh(1)): client address and
// port, server address and port.
func sshConnection(remote, local net.Addr) (string, bool) {
	if remote == nil || local == nil {
		return "", false
	}
	rh, rp, err1 := net.SplitHostPort(remote.String())
	lh, lp, err2 := net.SplitHostPort(local.String())
	if err1 != nil || err2 != nil {
		return "", false
	}
	return strings.Join([]string{rh, rp, lh, lp}, " "), true
}

func addr(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// lookPath finds an executable as execvp(3) does, in the PATH of env.
func lookPath(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	var path string
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", os.ErrNotExist
}
