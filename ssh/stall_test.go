package ssh_test

import (
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core/auth"
)

// TestDeniedAndMute: a client that is denied a command, answers nothing and
// asks on keeps neither its connection nor the node from ending.
func TestDeniedAndMute(t *testing.T) {
	flood := func(ch gossh.Channel) {
		for range 64 {
			ch.SendRequest("window-change", false, gossh.Marshal(struct{ A, B, C, D uint32 }{1, 1, 1, 1}))
		}
	}
	for _, tt := range []struct {
		name string
		end  func(*node, *gossh.Client, gossh.Channel)
	}{
		{"the client leaves", func(_ *node, c *gossh.Client, _ gossh.Channel) { c.Close() }},
		{"the client leaves, after a flood", func(_ *node, c *gossh.Client, ch gossh.Channel) { flood(ch); c.Close() }},
		{"hard stop", func(n *node, _ *gossh.Client, ch gossh.Channel) { flood(ch); n.stop() }},
		{"hard stop, in a greater flood", func(n *node, _ *gossh.Client, ch gossh.Channel) {
			for range 16 {
				flood(ch)
			}
			n.stop()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			signer, key := newKey(t)
			n := newNode(t, []auth.Peer{peer("laptop", key)}, nil)
			c := n.dial(signer)
			ch, reqs, err := c.OpenChannel("session", nil)
			check(t, err)
			_, err = ch.SendRequest("exec", false, gossh.Marshal(struct{ C string }{"id"}))
			check(t, err)
			if r := <-reqs; r.Type != "keepalive@openssh.com" { // the only one read, and not answered
				t.Errorf("asked for %q", r.Type)
			}
			tt.end(n, c, ch)
			<-n.ended
		})
	}
}

// TestDeniedAnswersNothing: a client that does not answer the question before
// the failure hears of the failure, in the order of its requests, and its
// other channels go on meanwhile.
func TestDeniedAnswersNothing(t *testing.T) {
	signer, key := newKey(t)
	c := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec:true")}, nil).dial(signer)
	mute, _, err := c.OpenChannel("session", nil)
	check(t, err)
	_, err = mute.SendRequest("exec", false, gossh.Marshal(struct{ C string }{"id"}))
	check(t, err)
	for range 64 {
		mute.SendRequest("env", false, gossh.Marshal(struct{ N, V string }{"LC_ALL", "x"}))
	}
	s, err := c.NewSession()
	check(t, err)
	check(t, s.Run("true"))
	if ok, err := mute.SendRequest("env", true, gossh.Marshal(struct{ N, V string }{"LC_ALL", "x"})); ok || err != nil {
		t.Errorf("the 65th variable: %v, %v", ok, err)
	}
	if ok, err := mute.SendRequest("exec", true, gossh.Marshal(struct{ C string }{"true"})); ok || err != nil {
		t.Errorf("a command beside a denial that nobody reads: %v, %v", ok, err)
	}
}

// TestDeniedThenAllowed: a denial uses the channel up for nobody who listens
// (RFC 4254, section 6.5).
func TestDeniedThenAllowed(t *testing.T) {
	signer, key := newKey(t)
	c := newNode(t, []auth.Peer{peer("laptop", key, "ssh:exec:true")}, nil).dial(signer)
	ch, reqs, err := c.OpenChannel("session", nil)
	check(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for r := range reqs {
			if r.Type == "exit-status" {
				return
			}
			r.Reply(false, nil)
		}
	}()
	if ok, err := ch.SendRequest("exec", true, gossh.Marshal(struct{ C string }{"id"})); ok || err != nil {
		t.Errorf("the first command: %v, %v", ok, err)
	}
	if ok, err := ch.SendRequest("exec", true, gossh.Marshal(struct{ C string }{"true"})); !ok || err != nil {
		t.Errorf("the second command: %v, %v", ok, err)
	}
	<-ended
}
