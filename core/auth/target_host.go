package auth

import (
	"net/netip"
	"strconv"
	"strings"
)

// hostPattern covers hosts and ports. Exactly one of any, prefix and name is
// set; name with suffix set means the names below it.
type hostPattern struct {
	any     bool
	prefix  netip.Prefix
	single  bool // prefix was written as one address
	name    string
	suffix  bool
	anyPort bool
	port    uint16
}

func parseHostPattern(s string) (target, string) {
	host, port, reason := splitHostPort(s)
	if reason != "" {
		return nil, reason
	}
	p := hostPattern{anyPort: port == "*"}
	if !p.anyPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || strconv.FormatUint(n, 10) != port {
			return nil, "the port must be * or a number up to 65535"
		}
		p.port = uint16(n)
	}
	if reason := p.parseHost(host); reason != "" {
		return nil, reason
	}
	return p, ""
}

func splitHostPort(s string) (host, port, reason string) {
	const form = "write HOST:PORT, with IPv6 in brackets, such as [fd00::/8]:22 or *:*"
	if strings.HasPrefix(s, "[") {
		end := strings.Index(s, "]:")
		if end < 0 {
			return "", "", form
		}
		return s[:end+1], s[end+2:], ""
	}
	host, port, ok := strings.Cut(s, ":")
	if !ok || strings.Contains(port, ":") {
		return "", "", form
	}
	return host, port, ""
}

func (p *hostPattern) parseHost(host string) string {
	if host == "*" {
		p.any = true
		return ""
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner = strings.TrimSuffix(inner, "]")
		if !strings.Contains(inner, ":") {
			return "brackets are for IPv6 addresses only"
		}
		return p.parseAddr(inner)
	}
	if strings.Contains(host, "/") {
		return p.parseAddr(host)
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return p.parseAddr(host)
	}
	host, p.suffix = strings.CutPrefix(host, "*.")
	var reason string
	p.name, reason = cleanHostName(host)
	return reason
}

func (p *hostPattern) parseAddr(s string) string {
	if strings.Contains(s, "%") {
		return "addresses with a zone cannot be granted one by one"
	}
	if !strings.Contains(s, "/") {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return "not an IP address"
		}
		addr = addr.Unmap()
		p.prefix, p.single = netip.PrefixFrom(addr, addr.BitLen()), true
		return ""
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return "not an address range such as 10.0.0.0/8 or fd00::/8"
	}
	if prefix.Addr().Is4In6() {
		return "write a range of IPv4 addresses as IPv4, not mapped into IPv6"
	}
	if prefix.Masked() != prefix {
		return "the range has bits set behind its length; write " + prefix.Masked().String()
	}
	p.prefix = prefix
	return ""
}

func (p hostPattern) covers(a Action) bool {
	if a.kind != kindHost || !p.anyPort && p.port != a.port {
		return false
	}
	switch {
	case p.any:
		return true
	case a.addr.IsValid():
		return p.prefix.IsValid() && p.prefix.Contains(a.addr)
	case p.suffix:
		rest, ok := strings.CutSuffix(a.text, p.name)
		return ok && strings.HasSuffix(rest, ".")
	}
	return p.name != "" && p.name == a.text
}

func (p hostPattern) String() string {
	port := "*"
	if !p.anyPort {
		port = strconv.Itoa(int(p.port))
	}
	return p.host() + ":" + port
}

func (p hostPattern) host() string {
	switch {
	case p.any:
		return "*"
	case p.prefix.IsValid():
		text := p.prefix.String()
		if p.single {
			text = p.prefix.Addr().String()
		}
		if p.prefix.Addr().Is6() {
			text = "[" + text + "]"
		}
		return text
	case p.suffix:
		return "*." + p.name
	}
	return p.name
}

// cleanHostName returns the name in lower case without its trailing dot.
// Underscores are let through: service and container names carry them.
func cleanHostName(s string) (name, reason string) {
	name = strings.TrimSuffix(s, ".")
	if name == "" || len(name) > 253 {
		return "", "the host name is empty or longer than 253 characters"
	}
	name = strings.ToLower(name)
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return "", "the host name has an empty label or one longer than 63 characters"
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return "", "host names are letters, digits, '-' and '.' (write others in punycode); * stands first, as *.example.org, or alone"
			}
		}
		last = label
	}
	if looksNumeric(last) {
		return "", "this looks like an IPv4 address and is none; write it as a.b.c.d"
	}
	return name, ""
}

// looksNumeric follows the URL Standard's "ends in a number" check: resolvers
// read such names as addresses in octal, hexadecimal or short form.
func looksNumeric(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}
