package ssh_test

import (
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/ssh"
)

func TestKnownHostsLine(t *testing.T) {
	signer, _ := newKey(t)
	pub := signer.PublicKey()
	key := ssh.HostKeyLine(pub)
	if !strings.HasPrefix(key, "ssh-ed25519 AAAA") || strings.ContainsAny(key, "\r\n") {
		t.Errorf("key line %q", key)
	}
	for _, host := range []string{"node.example", "[node.example]:2222", "192.0.2.1", "[2001:db8::1]:22"} {
		line, err := ssh.KnownHostsLine(host, pub)
		check(t, err)
		if line != host+" "+key {
			t.Errorf("%q", line)
		}
		_, hosts, parsed, _, _, err := gossh.ParseKnownHosts([]byte(line))
		check(t, err)
		if !slices.Equal(hosts, []string{host}) || ssh.HostKeyLine(parsed) != key {
			t.Errorf("%q is read as %q", line, hosts)
		}
	}
	for _, host := range []string{"", "a b", "a\nb", "a,b", "*", "a?", "!a", "@cert-authority", "#a", "|1|x", "\x00", "é"} {
		if line, err := ssh.KnownHostsLine(host, pub); err == nil {
			t.Errorf("%q gave %q", host, line)
		}
	}
}

// TestRSAHostKeySignsWithSHA2: no SHA-1 is offered for a key that could.
func TestRSAHostKeySignsWithSHA2(t *testing.T) {
	priv, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	host, err := ssh.HostKey(priv)
	check(t, err)
	_, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key)}, func(s *ssh.Server) { s.HostKeys = append(s.HostKeys, host) })
	if got := kexInit(t, n.addr)[1]; slices.Contains(got, "ssh-rsa") || !slices.Contains(got, "rsa-sha2-512") {
		t.Errorf("host key algorithms %q", got)
	}
}
