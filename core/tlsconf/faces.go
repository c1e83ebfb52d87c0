package tlsconf

import "slices"

// ACMEProtocol is answered inside the handshake (RFC 8737) and has no handler.
const ACMEProtocol = "acme-tls/1"

// The names of the web face, by transport. A protocol that is defined for one
// transport only is not offered on the other.
var (
	webOnQUIC = []string{"h3", "doq"}
	webOnTCP  = []string{"h2", "http/1.1", "dot"}
)

// IsWeb reports whether a protocol name belongs to the web face.
func IsWeb(alpn string) bool {
	return slices.Contains(webOnQUIC, alpn) || slices.Contains(webOnTCP, alpn)
}

// Split sorts protocol names by face and keeps their order.
func Split(alpns []string) (node, web []string) {
	for _, name := range alpns {
		if IsWeb(name) {
			web = append(web, name)
		} else {
			node = append(node, name)
		}
	}
	return node, web
}

func only(names, allowed []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !slices.Contains(allowed, n) })
}
