package auth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/alkdev/alknet/core/auth"
)

func TestParseScope(t *testing.T) {
	tests := []struct{ in, want string }{ // want "": the same
		{"admin", ""},
		{"ssh:exec", ""},
		{"ssh:*", ""},
		{"ssh:shell", ""},
		{"relay:connect", ""},
		{"ssh:forward:*:*", ""},
		{"ssh:forward:*.lan:5432", ""},
		{"ssh:forward:DB.Lan.:5432", "ssh:forward:db.lan:5432"},
		{"ssh:forward:10.0.0.0/8:*", ""},
		{"ssh:forward:10.0.0.1:22", ""},
		{"ssh:forward:[fd00::/8]:22", ""},
		{"ssh:forward:[FD00:0::1]:22", "ssh:forward:[fd00::1]:22"},
		{"ssh:forward:[::ffff:10.0.0.1]:22", "ssh:forward:10.0.0.1:22"},
		{"ssh:listen:*:0", ""},
		{"ssh:streamlocal:/run/app", ""},
		{"ssh:exec:git  status", "ssh:exec:git status"},
		{`ssh:exec:echo "a b" 'it'\''s' c\ d ""`, `ssh:exec:echo 'a b' 'it'\''s' 'c d' ''`},
		{"ssh:exec:a:b", ""},
		{"sftp:read:/pub//x/./y/", "sftp:read:/pub/x/y"},
		{"sftp:write:/", ""},
		{"git:write:**", ""},
		{"git:read:team/*/x", ""},
		{"git:admin", ""},
		{"call:fs/readFile", ""},
		{"call:*", ""},
		{"call:docker/**", ""},
		{"http:get:/status", ""},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			if tt.want == "" {
				tt.want = tt.in
			}
			s, err := auth.ParseScope(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			again, err := auth.ParseScope(s.String())
			if err != nil || again.String() != s.String() {
				t.Errorf("parsed again: %v, %v", again, err)
			}
		})
	}
}

func TestParseScopeRefuses(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", "area"},
		{"*", "area"},
		{"*:*", "area"},
		{"SSH:exec", "area"},
		{"ssh", "verb is missing"},
		{"ssh:", "verb is missing"},
		{"ssh:Exec", "verb"},
		{"ssh:*:x", "takes no target"},
		{"ssh:ex*", "verb"},
		{"admin:*", "stands alone"},
		{"admin:", "stands alone"},
		{" ssh:exec", "area"},
		{"ssh:exec ", "verb"},
		{"ssh:exec:", "target is empty"},
		{"ssh:exec:ls | rm", "shell operator"},
		{"ssh:exec:ls $HOME", "shell operator"},
		{"ssh:exec:ls *", "shell operator"},
		{"ssh:exec:'ls", "unclosed"},
		{"ssh:exec:  ", "empty"},
		{"ssh:exec:a\nb", "more than one line"},
		{"ssh:shell:bash", "takes no target"},
		{"ssh:forward:host", "HOST:PORT"},
		{"ssh:forward:fd00::1:22", "HOST:PORT"},
		{"ssh:forward:[fd00::1]", "HOST:PORT"},
		{"ssh:forward:[fd00::1]22", "HOST:PORT"},
		{"ssh:forward:[10.0.0.1]:22", "IPv6 addresses only"},
		{"ssh:forward:[fe80::1%eth0]:22", "zone"},
		{"ssh:forward:[::ffff:10.0.0.0/104]:22", "as IPv4"},
		{"ssh:forward:10.0.0.1/8:22", "10.0.0.0/8"},
		{"ssh:forward:010.0.0.1:22", "IPv4 address"},
		{"ssh:forward:0x7f000001:22", "IPv4 address"},
		{"ssh:forward:127.1:22", "IPv4 address"},
		{"ssh:forward:10.0.*:22", "*"},
		{"ssh:forward:*.*.lan:22", "*"},
		{"ssh:forward:*lan:22", "*"},
		{"ssh:forward:*.:22", "empty"},
		{"ssh:forward:a..b:22", "empty label"},
		{"ssh:forward:.lan:22", "empty label"},
		{"ssh:forward:lan..:22", "empty label"},
		{"ssh:forward:bücher.example:22", "punycode"},
		{"ssh:forward::22", "empty"},
		{"ssh:forward:host:", "port"},
		{"ssh:forward:host:022", "port"},
		{"ssh:forward:host:65536", "port"},
		{"ssh:forward:host:+22", "port"},
		{"ssh:forward:host:1-9", "port"},
		{"sftp:read:pub", "absolute"},
		{"sftp:read:/a/../b", ".."},
		{"sftp:read:/a/*", "leave the * off"},
		{"sftp:read:/a\x00", "control"},
		{"git:read:a//b", "doubled"},
		{"git:read:/a", "begins"},
		{"git:read:a/", "ends"},
		{"git:read:a/../b", ".."},
		{"git:read:**/a", "last component"},
		{"git:read:a*", "whole component"},
		{"git:read:***", "whole component"},
		{"call:", "verb is missing"},
		{"call:a:b", "no ':'"},
		{"call:/fs/read", "begins"},
		{"ssh:exec:\xff", "UTF-8"},
		{"git:read:" + strings.Repeat("a", 5000), "too long"},
	}
	for _, tt := range tests {
		t.Run(tt.in[:min(len(tt.in), 40)], func(t *testing.T) {
			s, err := auth.ParseScope(tt.in)
			if err == nil {
				t.Fatalf("accepted as %s", s)
			}
			var scopeErr *auth.ScopeError
			if !errors.As(err, &scopeErr) {
				t.Fatalf("error is %T", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not contain %q", err, tt.want)
			}
		})
	}
}

func TestParseScopesNamesTheFault(t *testing.T) {
	_, err := auth.ParseScopes([]string{"git:read:x", "ssh:forward:host"})
	var scopeErr *auth.ScopeError
	if !errors.As(err, &scopeErr) || scopeErr.Scope != "ssh:forward:host" {
		t.Errorf("got %v", err)
	}
}

func forward(host string, port uint16) auth.Action { return auth.DoHost("ssh", "forward", host, port) }
func read(path string) auth.Action                 { return auth.DoPath("sftp", "read", path) }
func repo(name string) auth.Action                 { return auth.DoName("git", "read", name) }
func op(name string) auth.Action                   { return auth.DoName("call", "", name) }
func run(argv ...string) auth.Action               { return auth.DoArgv("ssh", "exec", argv) }

func TestAllow(t *testing.T) {
	tests := []struct {
		scope string
		a     auth.Action
		want  bool
	}{
		// without a target, and admin
		{"ssh:exec", run("rm", "-rf", "/"), true},
		{"ssh:exec", auth.Do("ssh", "exec"), true},
		{"ssh:exec", auth.Do("ssh", "shell"), false},
		{"ssh:exec:ls", auth.Do("ssh", "exec"), false},
		{"admin", run("ls"), true},
		{"admin", auth.Do("git", "admin"), true},
		{"admin", auth.Do("admin", "reload"), true},
		{"admin", forward("a..b", 1), true},
		{"admin", auth.Action{}, false},
		{"git:read", auth.DoName("sftp", "read", "x"), false},

		// area:*
		{"ssh:*", run("ls"), true},
		{"ssh:*", auth.Do("ssh", "shell"), true},
		{"ssh:*", forward("db.lan", 1), true},
		{"ssh:*", auth.DoHost("ssh", "listen", "127.0.0.1", 80), false},
		{"ssh:*", auth.DoPath("ssh", "streamlocal", "/run/x"), false},
		{"ssh:*", auth.DoPath("ssh", "streamlocal-listen", "/run/x"), false},
		{"ssh:*", auth.Do("ssh", "admin"), false},
		{"git:*", auth.Do("git", "admin"), false},
		{"git:*", auth.DoName("git", "admin", "x"), false},
		{"git:*", auth.Do("git", "admin-x"), false},
		{"git:*", auth.DoName("git", "write", "x"), true},
		{"git:*", auth.Do("ssh", "shell"), false},
		{"ssh:listen", auth.DoHost("ssh", "listen", "127.0.0.1", 80), true},
		{"git:admin", auth.Do("git", "admin"), true},

		// hosts
		{"ssh:forward:*:*", forward("anything.example", 1), true},
		{"ssh:forward:*:*", forward("::1", 1), true},
		{"ssh:forward:*:*", forward("fe80::1%eth0", 1), true},
		{"ssh:forward:*:22", forward("h", 23), false},
		{"ssh:forward:*:*", auth.DoHost("ssh", "listen", "h", 1), false},
		{"ssh:forward:*.lan:5432", forward("db.lan", 5432), true},
		{"ssh:forward:*.lan:5432", forward("a.db.lan", 5432), true},
		{"ssh:forward:*.lan:5432", forward("DB.LAN.", 5432), true},
		{"ssh:forward:*.lan:5432", forward("db.lan", 22), false},
		{"ssh:forward:*.lan:5432", forward("lan", 5432), false},
		{"ssh:forward:*.lan:5432", forward(".lan", 5432), false},
		{"ssh:forward:*.lan:5432", forward("evil-lan", 5432), false},
		{"ssh:forward:*.lan:5432", forward("db.lan.evil.example", 5432), false},
		{"ssh:forward:*.lan:5432", forward("db..lan", 5432), false},
		{"ssh:forward:*.lan:5432", forward("db.lan..", 5432), false},
		{"ssh:forward:*.lan:5432", forward("x/y.lan", 5432), false},
		{"ssh:forward:db.lan:1", forward("xdb.lan", 1), false},
		{"ssh:forward:10.0.0.0/8:*", forward("10.255.0.1", 9), true},
		{"ssh:forward:10.0.0.0/8:*", forward("::ffff:10.1.2.3", 9), true},
		{"ssh:forward:10.0.0.0/8:*", forward("::ffff:a01:203", 9), true},
		{"ssh:forward:10.0.0.0/8:*", forward("11.0.0.1", 9), false},
		{"ssh:forward:10.0.0.0/8:*", forward("10.example", 9), false},
		{"ssh:forward:10.0.0.1:22", forward("10.0.0.1", 22), true},
		{"ssh:forward:[fd00::/8]:22", forward("fd12::1", 22), true},
		{"ssh:forward:[fd00::/8]:22", forward("FD12:0:0::1", 22), true},
		{"ssh:forward:[fd00::/8]:22", forward("fe12::1", 22), false},
		{"ssh:forward:[fe80::/10]:22", forward("fe80::1%eth0", 22), false},
		{"ssh:forward:[::/0]:22", forward("::ffff:10.0.0.1", 22), false},
		{"ssh:forward:0.0.0.0/0:22", forward("::ffff:10.0.0.1", 22), true},
		{"ssh:forward", forward("127.1", 22), false},
		{"ssh:forward:*:*", forward("0x7f000001", 22), false},
		{"ssh:forward:*:*", forward("2130706433", 22), false},
		{"ssh:forward:*:*", forward("010.0.0.1", 22), false},
		{"ssh:forward:*:*", forward("[::1]", 22), false},
		{"ssh:forward:*:*", forward("", 22), false},
		{"ssh:forward:*:*", forward("a b", 22), false},
		{"ssh:forward:*:*", forward("a\x00.lan", 22), false},
		{"ssh:forward:*:*", auth.Do("ssh", "forward"), false},
		{"ssh:listen:*:8080", auth.DoHost("ssh", "listen", "", 8080), true},
		{"ssh:listen:0.0.0.0:8080", auth.DoHost("ssh", "listen", "", 8080), false},
		{"ssh:listen:localhost:8080", auth.DoHost("ssh", "listen", "localhost", 8080), true},
		{"ssh:listen:localhost:8080", auth.DoHost("ssh", "listen", "localhost", 0), false},

		// paths
		{"sftp:read:/a", read("/a"), true},
		{"sftp:read:/a", read("/a/b/c"), true},
		{"sftp:read:/a", read("//a//b/"), true},
		{"sftp:read:/a", read("/ab"), false},
		{"sftp:read:/a", read("/a/../b"), false},
		{"sftp:read:/a", read("/b/../a/c"), true},
		{"sftp:read:/a", read("/../../a"), true},
		{"sftp:read:/a", read("/A"), false},
		{"sftp:read:/a", read("a"), false},
		{"sftp:read:/a", read(""), false},
		{"sftp:read:/a", read("/a\x00"), false},
		{"sftp:read:/a", read("/"), false},
		{"sftp:read:/", read("/x"), true},
		{"sftp:read:/", read("/"), true},
		{"sftp:read", read("rel"), false},
		{"sftp:read:/a", auth.DoPath("sftp", "write", "/a"), false},
		{"ssh:streamlocal:/run", auth.DoPath("ssh", "streamlocal", "/run/x.sock"), true},
		{"ssh:streamlocal:/run", auth.DoPath("ssh", "streamlocal", "@abstract"), false},

		// names
		{"git:read:team/app", repo("team/app"), true},
		{"git:read:team/app", repo("team/App"), false},
		{"git:read:team/app", repo("team/app/x"), false},
		{"git:read:team/*", repo("team/app"), true},
		{"git:read:team/*", repo("team/app/x"), false},
		{"git:read:team/*", repo("team"), false},
		{"git:read:*/app", repo("team/app"), true},
		{"git:read:*", repo("team/app"), false},
		{"git:read:team/**", repo("team/app/x"), true},
		{"git:read:team/**", repo("team"), false},
		{"git:read:**", repo("team"), true},
		{"git:read:**", repo("team/../other"), false},
		{"git:read:**", repo(""), false},
		{"git:read:**", repo("/team"), false},
		{"git:read", repo("team/"), false},

		// operations
		{"call:fs/readFile", op("fs/readFile"), true},
		{"call:fs/readFile", auth.Do("call", "fs/readFile"), true},
		{"call:fs/readFile", auth.DoName("call", "run", "fs/readFile"), true},
		{"call:fs/*", op("fs/readFile"), true},
		{"call:fs/*", op("docker/container/exec"), false},
		{"call:*", op("docker/container/exec"), true},
		{"call:*", op("admin/reload"), false},
		{"call:*", op("admin"), false},
		{"call:**", op("fs/readFile"), true},
		{"call:**", op("admin/reload"), false},
		{"call:*/reload", op("admin/reload"), false},
		{"call:admin/*", op("admin/reload"), true},
		{"call:*", op("/fs/readFile"), false},
		{"call:*", auth.DoPath("call", "", "/fs"), false},
		{"call:*", auth.DoHost("call", "", "admin", 1), false},

		// commands
		{"ssh:exec:git status", run("git", "status"), true},
		{"ssh:exec:git status", run("git status"), false},
		{"ssh:exec:git status", run("git", "status", "-s"), false},
		{"ssh:exec:git", run("git", "status"), false},
		{"ssh:exec:'git status'", run("git status"), true},
		{"ssh:exec:echo ''", run("echo", ""), true},
		{"ssh:exec:echo ''", run("echo"), false},
		{"ssh:exec", run(), false},
		{"ssh:exec", run("a\x00b"), false},
		{"ssh:exec:a b", run("a\x00b"), false},

		// a target of another kind is never covered
		{"sftp:read:/a", auth.DoName("sftp", "read", "a"), false},
		{"git:read:a", auth.DoPath("git", "read", "/a"), false},
		{"ssh:exec:a", auth.DoName("ssh", "exec", "a"), false},
		{"ssh:forward:a:1", auth.DoName("ssh", "forward", "a"), false},
		{"ssh:exec", auth.Do("ssh", "exec:ls"), false},
	}
	for _, tt := range tests {
		t.Run(tt.scope+" "+tt.a.String(), func(t *testing.T) {
			scopes, err := auth.ParseScopes([]string{"msg:send", tt.scope})
			if err != nil {
				t.Fatal(err)
			}
			if got := scopes.Allow(tt.a); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestZeroScopesAllowNothing(t *testing.T) {
	for _, s := range []auth.Scopes{nil, {}, {auth.Scope{}}} {
		for _, a := range []auth.Action{{}, auth.Do("", ""), auth.Do("ssh", "shell"), read("/")} {
			if s.Allow(a) || s.AllowSome("ssh", "shell") || s.AllowSome("", "") {
				t.Errorf("%v allows %v", s, a)
			}
		}
	}
}

func TestAllowSome(t *testing.T) {
	tests := []struct {
		scope, area, verb string
		want              bool
	}{
		{"sftp:read:/pub", "sftp", "read", true},
		{"sftp:read:/pub", "sftp", "write", false},
		{"sftp:*", "sftp", "write", true},
		{"ssh:*", "ssh", "listen", false},
		{"ssh:listen:*:1", "ssh", "listen", true},
		{"admin", "ssh", "listen", true},
		{"sftp:read", "sftp", "READ", false},
	}
	for _, tt := range tests {
		t.Run(tt.scope+" "+tt.area+":"+tt.verb, func(t *testing.T) {
			scopes, err := auth.ParseScopes([]string{tt.scope})
			if err != nil {
				t.Fatal(err)
			}
			if got := scopes.AllowSome(tt.area, tt.verb); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestActionString(t *testing.T) {
	tests := []struct {
		a            auth.Action
		want, target string
	}{
		{forward("DB.lan.", 22), "ssh:forward:db.lan:22", "db.lan:22"},
		{forward("fd00:0::1", 22), "ssh:forward:[fd00::1]:22", "[fd00::1]:22"},
		{read("/a/../b//c"), "sftp:read:/b/c", "/b/c"},
		{run("echo", "a b"), "ssh:exec:echo 'a b'", "echo 'a b'"},
		{op("fs/readFile"), "call:fs/readFile", "fs/readFile"},
		{auth.Do("ssh", "shell"), "ssh:shell", ""},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			if got := tt.a.String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got := tt.a.Target(); got != tt.target {
				t.Errorf("target: got %s, want %s", got, tt.target)
			}
		})
	}
}

func TestAllowDoesNotAllocate(t *testing.T) {
	scopes, err := auth.ParseScopes([]string{"git:read:a/b/*", "ssh:forward:*.lan:22", "sftp:read:/a", "ssh:exec:git status"})
	if err != nil {
		t.Fatal(err)
	}
	actions := []auth.Action{repo("a/b/c"), forward("x.lan", 22), read("/a/b"), run("git", "status"), op("x/y")}
	if n := testing.AllocsPerRun(100, func() {
		for _, a := range actions {
			scopes.Allow(a)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
