package ssh_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/ssh"
)

// TestPreAuthExhaustion_CVE_2025_22869: connections that do not go on are
// bounded in number and time, and keep no known peer out.
func TestPreAuthExhaustion_CVE_2025_22869(t *testing.T) {
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, func(s *ssh.Server) { s.MaxHandshakes = 2 })
	for range 2 {
		nc, err := net.Dial("tcp", n.addr)
		check(t, err)
		defer nc.Close()
		_, err = io.WriteString(nc, "SSH-2.0-slow\r\n")
		check(t, err)
		_, err = bufio.NewReader(nc).ReadString('\n') // its handshake has begun
		check(t, err)
	}
	if c, err := gossh.Dial("tcp", n.addr, n.client(signer)); err == nil {
		c.Close()
		t.Fatal("a third handshake was begun")
	}
	n.knownPeer(key)
	n.dial()
}

// TestSourceCrowdsOut: one source that does not go on keeps out itself only.
func TestSourceCrowdsOut(t *testing.T) {
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil)
	n.comeFrom("2001:db8::1")
	for range ssh.DefaultMaxHandshakes / 8 {
		nc, err := net.Dial("tcp", n.addr)
		check(t, err)
		defer nc.Close()
		_, err = io.WriteString(nc, "SSH-2.0-slow\r\n")
		check(t, err)
		_, err = bufio.NewReader(nc).ReadString('\n') // its handshake has begun
		check(t, err)
	}
	n.comeFrom("2001:db8::2")
	if c, err := gossh.Dial("tcp", n.addr, n.client(signer)); err == nil {
		c.Close()
		t.Error("a source began more than an eighth of the handshakes")
	}
	for _, other := range []string{"2001:db8:0:1::1", "192.0.2.1", "127.0.0.1"} {
		n.comeFrom(other)
		n.dial(signer)
	}
}

// TestSourceComesBack: what a source has finished does not count any more.
func TestSourceComesBack(t *testing.T) {
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec")}, nil)
	for range ssh.DefaultMaxHandshakes {
		n.dial(signer).Close()
	}
}

// TestLoginGraceIsAFailure: each connection that only waited counts once.
func TestLoginGraceIsAFailure(t *testing.T) {
	for _, sent := range []string{"", "SSH-2.0-slow\r\n"} {
		n := newNode(t, nil, func(s *ssh.Server) { s.LoginGrace = 50 * time.Millisecond })
		check(t, n.store.Update(func(d *config.Dynamic) error { d.Limits.AuthFailures = 2; return nil }))
		for waits := range 2 {
			if n.failures.Wait(source(t, n.addr)) != 0 {
				t.Errorf("%q: blocked after %d", sent, waits)
			}
			nc, err := net.Dial("tcp", n.addr)
			check(t, err)
			_, err = io.WriteString(nc, sent)
			check(t, err)
			io.Copy(io.Discard, nc) // until the server hangs up
			nc.Close()
			<-n.ended
		}
		if n.failures.Wait(source(t, n.addr)) == 0 {
			t.Errorf("%q: not counted", sent)
		}
	}
}

// hesitant never signs.
type hesitant struct {
	gossh.Signer
	given chan struct{} // closed when the test is over
}

func (h hesitant) Sign(io.Reader, []byte) (*gossh.Signature, error) {
	<-h.given
	return nil, errors.New("no signature")
}

// TestTriedAndWaitedIsOneFailure: a refused key and the end of the grace on
// the same connection count once.
func TestTriedAndWaitedIsOneFailure(t *testing.T) {
	stranger, _ := newKey(t)
	signer, key := newKey(t)
	n := newNode(t, []auth.Peer{peer("laptop", key)}, func(s *ssh.Server) { s.LoginGrace = 200 * time.Millisecond })
	check(t, n.store.Update(func(d *config.Dynamic) error { d.Limits.AuthFailures = 2; return nil }))
	h := hesitant{signer, make(chan struct{})}
	var client sync.WaitGroup
	client.Go(func() {
		if c, err := gossh.Dial("tcp", n.addr, n.client(stranger, h)); err == nil {
			c.Close()
			t.Error("accepted")
		}
	})
	<-n.ended
	close(h.given)
	client.Wait()
	if n.failures.Len() != 1 || n.failures.Wait(source(t, n.addr)) != 0 {
		t.Error("not one failure")
	}
}

func TestLoginGrace(t *testing.T) {
	_, key := newKey(t)
	for _, tt := range []struct{ name, sent string }{{"silent", ""}, {"version only", "SSH-2.0-slow\r\n"}} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, []auth.Peer{peer("laptop", key)}, func(s *ssh.Server) { s.LoginGrace = 50 * time.Millisecond })
			nc, err := net.Dial("tcp", n.addr)
			check(t, err)
			_, err = io.WriteString(nc, tt.sent)
			check(t, err)
			io.Copy(io.Discard, nc) // until the server hangs up
			nc.Close()
			err = <-n.ended
			var he *core.HandlerError
			if !errors.As(err, &he) || he.Code != core.CodeTimeout {
				t.Errorf("got %v", err)
			}
		})
	}
}
