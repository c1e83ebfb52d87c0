package cli

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestFirewall(t *testing.T) {
	for _, test := range []struct {
		name, goos string
		addrs      []string
		installed  []string
		want       []string
	}{
		{"loopback alone", "linux", []string{"127.0.0.1:4433", "[::1]:4433", "[::ffff:127.0.0.1]:1"}, []string{"ufw"}, nil},
		{"no firewall", "linux", []string{"[::]:4433"}, nil, []string{"open 4433/udp and 4433/tcp"}},
		{"loopback beside", "linux", []string{"127.0.0.1:1", "192.0.2.1:443"}, nil, []string{"open 443/udp and 443/tcp"}},
		{"one port twice", "linux", []string{"192.0.2.1:443", "[2001:db8::1]:443"}, nil, []string{"open 443/udp and 443/tcp"}},
		{"nft", "linux", []string{":4433"}, []string{"nft"},
			[]string{"sudo nft insert rule inet filter input meta l4proto '{ udp, tcp }' th dport 4433 accept"}},
		{"ufw writes to nft itself", "linux", []string{":4433"}, []string{"nft", "ufw"}, []string{"sudo ufw allow 4433"}},
		{"firewalld", "linux", []string{":4433"}, []string{"nft", "firewall-cmd"},
			[]string{"sudo firewall-cmd --permanent --add-port=4433/udp --add-port=4433/tcp && sudo firewall-cmd --reload"}},
		{"two ports", "linux", []string{":443", ":853"}, []string{"ufw"}, []string{"sudo ufw allow 443", "sudo ufw allow 853"}},
		{"macOS", "darwin", []string{":4433"}, nil, []string{
			"sudo /usr/libexec/ApplicationFirewall/socketfilterfw --add '/a b/alknet'",
			"sudo /usr/libexec/ApplicationFirewall/socketfilterfw --unblockapp '/a b/alknet'"}},
		{"Windows", "windows", []string{":4433"}, nil, []string{
			"netsh advfirewall firewall add rule name=alknet dir=in action=allow protocol=UDP localport=4433",
			"netsh advfirewall firewall add rule name=alknet dir=in action=allow protocol=TCP localport=4433"}},
		{"elsewhere", "freebsd", []string{":4433"}, []string{"ufw"}, []string{"open 4433/udp and 4433/tcp"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			if ports := openPorts(test.addrs); len(ports) > 0 {
				got = firewall(test.goos, "/a b/alknet", ports, func(p string) bool { return slices.Contains(test.installed, p) })
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestFirewallLineOfNft has nft check the line, as a shell would hand it over.
func TestFirewallLineOfNft(t *testing.T) {
	if !installed("nft") {
		t.Skip("no nft here")
	}
	line := strings.TrimPrefix(firewall("linux", "", []string{"4433"}, func(p string) bool { return p == "nft" })[0], "sudo nft ")
	cmd := exec.Command("nft", "-c", "-f", "-")
	if cmd.Err != nil {
		cmd = exec.Command("/usr/sbin/nft", "-c", "-f", "-")
	}
	cmd.Stdin = strings.NewReader("add table inet filter\nadd chain inet filter input { type filter hook input priority 0; }\n" +
		strings.ReplaceAll(line, "'", "") + "\n")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "Operation not permitted") || strings.Contains(string(out), "Unable to initialize") {
		t.Skipf("nft may not look here: %s", out)
	}
	if err != nil {
		t.Errorf("%s: %v: %s", line, err, out)
	}
}
