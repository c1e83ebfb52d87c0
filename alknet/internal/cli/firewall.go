package cli

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"github.com/alkdev/alknet/core/auth"
)

// writeFirewall tells what a firewall on this machine must let in, if anything.
func writeFirewall(b *strings.Builder, addrs []string) {
	ports := openPorts(addrs)
	if len(ports) == 0 {
		return
	}
	self, err := os.Executable()
	if err != nil {
		self = "alknet"
	}
	b.WriteString("\nFor others to reach it, if there is a firewall:\n")
	for _, line := range firewall(runtime.GOOS, self, ports, installed) {
		fmt.Fprintf(b, "  %s\n", line)
	}
}

// installed also looks where administrators' programs are, which the PATH of
// others may lack.
func installed(program string) bool {
	if _, err := exec.LookPath(program); err == nil {
		return true
	}
	return slices.ContainsFunc([]string{"/usr/sbin/", "/sbin/"}, func(dir string) bool {
		_, err := os.Stat(dir + program)
		return err == nil
	})
}

// openPorts are those of the addresses that other machines could reach.
func openPorts(addrs []string) (ports []string) {
	for _, a := range addrs {
		host, port, err := net.SplitHostPort(a)
		if err != nil {
			continue
		}
		if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
			continue
		}
		if !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	return ports
}

func firewall(goos, self string, ports []string, installed func(string) bool) (lines []string) {
	each := func(format string) {
		for _, p := range ports {
			lines = append(lines, strings.ReplaceAll(format, "PORT", p))
		}
	}
	switch goos {
	case "windows":
		for _, protocol := range []string{"UDP", "TCP"} {
			each("netsh advfirewall firewall add rule name=alknet dir=in action=allow protocol=" + protocol + " localport=PORT")
		}
	case "darwin":
		filter := "sudo /usr/libexec/ApplicationFirewall/socketfilterfw "
		program := auth.JoinArgv([]string{self})
		lines = append(lines, filter+"--add "+program, filter+"--unblockapp "+program)
	case "linux":
		if installed("ufw") {
			each("sudo ufw allow PORT")
		}
		if installed("firewall-cmd") {
			each("sudo firewall-cmd --permanent --add-port=PORT/udp --add-port=PORT/tcp && sudo firewall-cmd --reload")
		}
		if len(lines) == 0 && installed("nft") {
			each("sudo nft insert rule inet filter input meta l4proto '{ udp, tcp }' th dport PORT accept")
		}
	}
	if len(lines) == 0 {
		each("open PORT/udp and PORT/tcp")
	}
	return lines
}
