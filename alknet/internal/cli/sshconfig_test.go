package cli

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alkdev/alknet/core/dial"
)

func TestSSHBlock(t *testing.T) {
	const id = "7ri57qttyfytcfadg4fphqp7xs9w7rni64tzs86omceozjjcnfuo"
	target, err := dial.ParseTarget(id + "@127.0.0.1:4433")
	if err != nil {
		t.Fatal(err)
	}
	node := target.String()
	tests := []struct {
		name   string
		client client
		self   []string
		alias  string
		flags  dialFlags
		want   sshBlock
		err    string
	}{
		{
			name: "id", client: client{target: target}, self: []string{"/usr/bin/alknet"}, flags: dialFlags{via: "auto"},
			want: sshBlock{Host: id, HostKeyAlias: id, ProxyCommand: "/usr/bin/alknet proxy " + node + " alknet/ssh",
				KnownHostsCommand: "/usr/bin/alknet ssh-config --known-hosts " + node + " %I %H"},
		},
		{
			name: "saved name and flags", client: client{target: target, arg: "lab", saved: true}, self: []string{"/usr/bin/alknet"},
			flags: dialFlags{via: "tcp", socks5: "127.0.0.1:9050"},
			want: sshBlock{Host: "lab", HostKeyAlias: id, ProxyCommand: "/usr/bin/alknet proxy lab alknet/ssh --via tcp --socks5 127.0.0.1:9050",
				KnownHostsCommand: "/usr/bin/alknet ssh-config --known-hosts lab --via tcp --socks5 127.0.0.1:9050 %I %H"},
		},
		{
			name: "spaces and per cent", client: client{target: target}, self: []string{"/my bin/alknet", "--data", "/d/100%"}, alias: "box", flags: dialFlags{via: "auto"},
			want: sshBlock{Host: "box", HostKeyAlias: id, ProxyCommand: "'/my bin/alknet' --data /d/100%% proxy " + node + " alknet/ssh",
				KnownHostsCommand: `"/my bin/alknet" --data /d/100%% ssh-config --known-hosts ` + node + " %I %H"},
		},
		{name: "quote", client: client{target: target}, self: []string{"/it's/alknet"}, err: "cannot be written"},
		{name: "backslash", client: client{target: target}, self: []string{`/a\`}, err: "cannot be written"},
		{name: "variable", client: client{target: target}, self: []string{"/${HOME}"}, err: "cannot be written"},
		{name: "line break", client: client{target: target}, self: []string{"/a\nUser root"}, err: "cannot be written"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.client.block(tt.self, tt.alias, tt.flags)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}
}

func TestKnownHosts(t *testing.T) {
	n := newTestNode(t, "")
	key, err := n.SSHHostKey()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		arg  []string
		want string
	}{
		{"order", []string{"ORDER", "box"}, ""},
		{"host name", []string{"HOSTNAME", "box"}, "box " + key + "\n"},
		{"host name with port", []string{"HOSTNAME", "[box]:4433"}, "[box]:4433 " + key + "\n"},
		{"without a reason", []string{"box"}, "box " + key + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := run(t.Context(), t, reader(""), append([]string{"ssh-config", "--known-hosts", n.Target()}, tt.arg...)...).want(t, exitDone)
			if got.stdout != tt.want {
				t.Errorf("stdout %q, want %q", got.stdout, tt.want)
			}
		})
	}
}

// An address alone is dialled at once, so that the block can pin the key.
func TestSSHConfigPins(t *testing.T) {
	n := newTestNode(t, "")
	dir := filepath.Join(t.TempDir(), "client")
	run(t.Context(), t, reader(""), "--data", dir, "ssh-config", n.addr).want(t, exitFailed)
	got := run(t.Context(), t, reader(""), "--data", dir, "ssh-config", "--json", "--accept-new", n.addr).want(t, exitDone)
	var b sshBlock
	if err := json.Unmarshal([]byte(got.stdout), &b); err != nil {
		t.Fatal(err)
	}
	if pinned := n.ID().String() + "@" + n.addr; !strings.Contains(b.ProxyCommand, pinned) || !strings.Contains(b.KnownHostsCommand, pinned) {
		t.Errorf("no %s in %+v", pinned, b)
	}
}

func TestSavedNodes(t *testing.T) {
	n := newTestNode(t, "")
	dir := filepath.Join(t.TempDir(), "client")
	do := func(code int, arg ...string) outcome {
		t.Helper()
		return run(t.Context(), t, reader(""), append([]string{"--data", dir}, arg...)...).want(t, code)
	}
	do(exitDone, "node", "add", "lab", n.Target())
	do(exitUsage, "node", "add", "-lab", n.Target())
	do(exitUsage, "node", "add", n.ID().String(), n.Target())
	do(exitUsage, "node", "add", "lab", "not a node")
	if out := do(exitDone, "node", "list").stdout; !strings.Contains(out, "lab   "+n.ID().String()+"@"+n.addr) {
		t.Errorf("list: %s", out)
	}
	var last struct{ ALPNs []string }
	lines := strings.Split(strings.TrimSpace(do(exitDone, "ping", "--json", "-c", "1", "lab").stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if want := []string{"alknet/ssh", "h3", "h2", "http/1.1"}; !slices.Equal(intersect(want, last.ALPNs), want) {
		t.Errorf("ping finds %q, want at least %q", last.ALPNs, want)
	}
	do(exitDone, "node", "remove", "lab")
	do(exitFailed, "node", "remove", "lab")
	if out := do(exitDone, "node", "list", "--json").stdout; out != "[]\n" {
		t.Errorf("list: %s", out)
	}
}

func intersect(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}
