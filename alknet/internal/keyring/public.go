package keyring

import (
	"net/netip"
	"os"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core/tlsconf"
)

// HostKeyLine is the public SSH host key as one line of OpenSSH's format.
func (k *Keys) HostKeyLine() (string, error) {
	key, err := k.HostKey()
	if err != nil {
		return "", err
	}
	pub, err := gossh.NewPublicKey(key.Public())
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(gossh.MarshalAuthorizedKey(pub))), nil
}

// WebCertificates makes the self-signed certificates of the web face, for this
// machine and the domains, as far as a certificate can hold the names. Their hashes depend on nothing else, so that they can
// be told without the running node.
func (k *Keys) WebCertificates(domains []string) *tlsconf.WebCertificates {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, err := os.Hostname(); err == nil && host != "localhost" {
		names = append(names, host)
	}
	return &tlsconf.WebCertificates{Key: k.WebKey, Names: certifiable(append(names, domains...))}
}

// certifiable leaves out what a dNSName cannot be (RFC 5280, section 4.2.1.6):
// one such name, which a machine can well have, is a fault of the whole
// certificate.
func certifiable(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool {
		ip, err := netip.ParseAddr(name)
		return (err != nil || ip.Zone() != "") && !isDNSName(name)
	})
}

// isDNSName knows the preferred syntax of RFC 1034, section 3.5, with digits
// first as RFC 1123, section 2.1, allows.
func isDNSName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-') {
				return false
			}
		}
	}
	return true
}
