package ssh_test

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/ssh"
)

// kexInit reads the server's offer (RFC 4253, section 7.1) without a library.
func kexInit(t *testing.T, addr string) [][]string {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	check(t, err)
	defer nc.Close()
	_, err = io.WriteString(nc, "SSH-2.0-test\r\n")
	check(t, err)
	r := bufio.NewReader(nc)
	version, err := r.ReadString('\n')
	check(t, err)
	if version != "SSH-2.0-alknet\r\n" {
		t.Errorf("version %q", version)
	}
	var head [5]byte
	_, err = io.ReadFull(r, head[:])
	check(t, err)
	packet := make([]byte, binary.BigEndian.Uint32(head[:4])-1)
	_, err = io.ReadFull(r, packet)
	check(t, err)
	packet = packet[17:] // message number and cookie
	var lists [][]string
	for range 10 {
		n := binary.BigEndian.Uint32(packet)
		lists = append(lists, strings.Split(string(packet[4:4+n]), ","))
		packet = packet[4+n:]
	}
	return lists
}

func TestAlgorithmsOffered(t *testing.T) {
	_, key := newKey(t)
	lists := kexInit(t, newNode(t, []auth.Peer{peer("laptop", key)}, nil).addr)
	ciphers := []string{"aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr"}
	macs := []string{"hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"}
	want := [][]string{
		{"mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "kex-strict-s-v00@openssh.com"},
		{"ssh-ed25519"}, ciphers, ciphers, macs, macs, {"none"}, {"none"}, {""}, {""},
	}
	for i := range want {
		if !slices.Equal(lists[i], want[i]) {
			t.Errorf("list %d: got %q, want %q", i, lists[i], want[i])
		}
	}
}

// TestTerrapin_CVE_2023_48795: the server announces strict key exchange.
func TestTerrapin_CVE_2023_48795(t *testing.T) {
	_, key := newKey(t)
	kex := kexInit(t, newNode(t, []auth.Peer{peer("laptop", key)}, nil).addr)[0]
	if !slices.Contains(kex, "kex-strict-s-v00@openssh.com") {
		t.Errorf("strict key exchange is not offered: %q", kex)
	}
}

func TestPostQuantumNegotiated(t *testing.T) {
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key)}, nil)
	conn := n.dial(signer).Conn.(gossh.AlgorithmsConnMetadata)
	if kex := conn.Algorithms().KeyExchange; kex != "mlkem768x25519-sha256" {
		t.Errorf("key exchange %s", kex)
	}
}

// forger offers one key and signs with another.
type forger struct {
	gossh.Signer
	with gossh.Signer
}

func (f forger) Sign(r io.Reader, data []byte) (*gossh.Signature, error) { return f.with.Sign(r, data) }

func TestRefusedKeys(t *testing.T) {
	listed, key := newKey(t)
	unlisted, _ := newKey(t)
	disabled, off := newKey(t)
	expired, old := newKey(t)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	check(t, err)
	weak, err := gossh.NewSignerFromSigner(short)
	check(t, err)
	cert := certificate(t, listed)
	n := newNode(t, []auth.Peer{
		peer("laptop", key, "admin"),
		{Name: "off", Keys: []auth.Key{off}, Disabled: true},
		{Name: "old", Keys: []auth.Key{old}, Expires: time.Now().Add(-time.Second)},
		peer("weak", keyOf(weak), "admin"),
	}, func(s *ssh.Server) { s.Failures = nil })
	for _, tt := range []struct {
		name   string
		signer gossh.Signer
		reason string
	}{
		{"unlisted", unlisted, auth.ErrUnknownKey.Error()},
		{"disabled", disabled, auth.ErrDisabled.Error()},
		{"expired", expired, auth.ErrExpired.Error()},
		{"RSA of 1024 bits", weak, "2048"},
		{"certificate of a listed key", cert, "certificates"},
		{"forged signature", forger{listed, unlisted}, "not proved"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(n.log.lines("auth attempt"))
			c, err := gossh.Dial("tcp", n.addr, n.client(tt.signer))
			if err == nil {
				c.Close()
				t.Fatal("accepted")
			}
			<-n.ended
			lines := n.log.lines("auth attempt")[before:]
			if len(lines) != 1 || !strings.Contains(lines[0], tt.reason) || !strings.Contains(lines[0], "result=reject") {
				t.Errorf("log %q", lines)
			}
		})
	}
	n.dial(listed)
}

func certificate(t *testing.T, signer gossh.Signer) gossh.Signer {
	t.Helper()
	c := &gossh.Certificate{Key: signer.PublicKey(), CertType: gossh.UserCert, ValidBefore: gossh.CertTimeInfinity}
	check(t, c.SignCert(rand.Reader, signer))
	s, err := gossh.NewCertSigner(c, signer)
	check(t, err)
	return s
}

func TestPasswordRefused(t *testing.T) {
	_, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "admin")}, nil)
	cfg := n.client()
	cfg.Auth = []gossh.AuthMethod{gossh.Password("secret-word")}
	if c, err := gossh.Dial("tcp", n.addr, cfg); err == nil {
		c.Close()
		t.Fatal("accepted")
	}
	if lines := n.log.lines("secret-word"); len(lines) != 0 {
		t.Errorf("the log holds a password: %q", lines)
	}
}

// TestPermissionsAreTheFinalKeys_CVE_2026_39828: what earlier methods would
// have granted is neither kept nor added to what the key grants.
func TestPermissionsAreTheFinalKeys_CVE_2026_39828(t *testing.T) {
	_, tlsKey := newKey(t)
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("outer", tlsKey, "fs:read"), peer("inner", key, "ssh:exec:echo inner")}, nil)
	n.knownPeer(tlsKey)
	proven := make(chan auth.Identity, 1)
	n.onProve(func(id auth.Identity) error { proven <- id; return nil })
	n.dial(signer)
	id := <-proven
	if id.Name != "inner" || id.Allow(auth.Do("fs", "read")) || !id.Allow(auth.DoArgv("ssh", "exec", []string{"echo", "inner"})) {
		t.Errorf("proved %v with %v", id, id.Scopes)
	}
}

func TestKnownPeerNeedsNoKey(t *testing.T) {
	_, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil)
	if c, err := gossh.Dial("tcp", n.addr, n.client()); err == nil {
		c.Close()
		t.Fatal("a stranger was let in without a key")
	}
	n.knownPeer(key)
	n.dial()
	if len(n.log.lines("method=tls", "result=accept")) != 1 {
		t.Error("no line for the attempt")
	}
	check(t, n.store.Update(func(d *config.Dynamic) error { d.Peers[0].Disabled = true; return nil }))
	if c, err := gossh.Dial("tcp", n.addr, n.client()); err == nil {
		c.Close()
		t.Fatal("a disabled peer was let in")
	}
}

func TestProveRefuses(t *testing.T) {
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil)
	n.onProve(func(auth.Identity) error { return errors.New("too many connections") })
	if c, err := gossh.Dial("tcp", n.addr, n.client(signer)); err == nil {
		c.Close()
		t.Fatal("accepted")
	}
}

func TestFailuresLimit(t *testing.T) {
	signer, key := newKey(t)
	stranger, _ := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil)
	check(t, n.store.Update(func(d *config.Dynamic) error { d.Limits.AuthFailures = 2; return nil }))
	for range 2 {
		if c, err := gossh.Dial("tcp", n.addr, n.client(stranger)); err == nil {
			c.Close()
			t.Fatal("accepted")
		}
	}
	// The client hears of its refusal before the server has counted it.
	for n.failures.Wait(source(t, n.addr)) == 0 {
		c, err := gossh.Dial("tcp", n.addr, n.client(stranger))
		if err == nil {
			c.Close()
		}
	}
	if c, err := gossh.Dial("tcp", n.addr, n.client(signer)); err == nil {
		c.Close()
		t.Fatal("a blocked source was heard")
	}
	n.knownPeer(key)
	n.dial()
}

func TestGarbageEndsItsConnectionOnly(t *testing.T) {
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil)
	for _, sent := range []string{"\x00", "GET / HTTP/1.1\r\n\r\n", "SSH-1.5-old\r\n", "SSH-2.0-x\r\n\xff\xff\xff\xff\xff", strings.Repeat("x", 1<<20)} {
		nc, err := net.Dial("tcp", n.addr)
		check(t, err)
		go func() {
			io.Copy(nc, strings.NewReader(sent))
			nc.(*net.TCPConn).CloseWrite()
		}()
		io.Copy(io.Discard, nc) // until the server hangs up
		nc.Close()
		if err := <-n.ended; err == nil {
			t.Errorf("%.20q was no error", sent)
		}
	}
	n.dial(signer)
}

func TestForwardingRefused(t *testing.T) {
	signer, key := newKey(t)
	client := newNode(t, []auth.Peer{peer("laptop", key, "admin")}, nil).dial(signer)
	for _, tt := range []struct {
		kind string
		want gossh.RejectionReason
	}{
		{"direct-tcpip", gossh.Prohibited},
		{"direct-streamlocal@openssh.com", gossh.Prohibited},
		{"x11", gossh.Prohibited},
		{"auth-agent@openssh.com", gossh.Prohibited},
		{"tun@openssh.com", gossh.Prohibited},
		{"nonsense", gossh.UnknownChannelType},
	} {
		_, _, err := client.OpenChannel(tt.kind, nil)
		var open *gossh.OpenChannelError
		if !errors.As(err, &open) || open.Reason != tt.want {
			t.Errorf("%s: %v", tt.kind, err)
		}
	}
	for _, request := range []string{"tcpip-forward", "streamlocal-forward@openssh.com", "nonsense"} {
		if ok, _, err := client.SendRequest(request, true, nil); ok || err != nil {
			t.Errorf("%s: %v, %v", request, ok, err)
		}
	}
	if ok, _, err := client.SendRequest("keepalive@openssh.com", true, nil); !ok || err != nil {
		t.Errorf("keepalive: %v, %v", ok, err)
	}
}
