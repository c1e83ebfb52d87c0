package keyring

import (
	"os"
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
// machine and the domains. Their hashes depend on nothing else, so that they can
// be told without the running node.
func (k *Keys) WebCertificates(domains []string) *tlsconf.WebCertificates {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, err := os.Hostname(); err == nil && host != "localhost" {
		names = append(names, host)
	}
	return &tlsconf.WebCertificates{Key: k.WebKey, Names: append(names, domains...)}
}
