package ssh

import (
	"crypto"
	"fmt"
	"strings"

	gossh "golang.org/x/crypto/ssh"
)

// HostKey makes a host key of a private key: Ed25519, ECDSA, or RSA of at
// least 2048 bits, which then signs with SHA-2 only (RFC 8332). The key may
// live elsewhere; only its Sign method is used. A host key is a key of its
// own: do not pass the node key.
func HostKey(key crypto.Signer) (gossh.Signer, error) {
	signer, err := gossh.NewSignerFromSigner(key)
	if err != nil {
		return nil, fmt.Errorf("make SSH host key: %w", err)
	}
	if signer.PublicKey().Type() != gossh.KeyAlgoRSA {
		return signer, nil
	}
	algorithmSigner, ok := signer.(gossh.AlgorithmSigner)
	if !ok {
		return nil, fmt.Errorf("make SSH host key: %T cannot choose its hash", signer)
	}
	strict, err := gossh.NewSignerWithAlgorithms(algorithmSigner, []string{gossh.KeyAlgoRSASHA512, gossh.KeyAlgoRSASHA256})
	if err != nil {
		return nil, fmt.Errorf("make SSH host key: %w", err)
	}
	return strict, nil
}

// HostKeyLine writes pub as OpenSSH writes public keys, without a comment and
// without a newline: "ssh-ed25519 AAAA…".
func HostKeyLine(pub gossh.PublicKey) string {
	return strings.TrimSuffix(string(gossh.MarshalAuthorizedKey(pub)), "\n")
}

// KnownHostsLine writes a line of a known_hosts file (sshd(8)), without a
// newline, as KnownHostsCommand of ssh_config(5) is to print it. host is what
// ssh passes for %H: a name, or [name]:port. It is taken literally: anything
// that known_hosts would read as a pattern, a list or a second field is an
// error.
func KnownHostsLine(host string, pub gossh.PublicKey) (string, error) {
	if host == "" || len(host) > 1024 || host[0] == '@' || host[0] == '#' || host[0] == '|' ||
		strings.ContainsFunc(host, func(r rune) bool {
			return r <= ' ' || r == 0x7f || r > 0x7f || strings.ContainsRune(`,*?!"`, r)
		}) {
		return "", fmt.Errorf("write known_hosts line: %q cannot stand for one host", host)
	}
	return host + " " + HostKeyLine(pub), nil
}
