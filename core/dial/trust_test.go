package dial_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/dial"
)

func wantNotShown(t *testing.T, me node) {
	t.Helper()
	if n := me.shown.Load(); n != 0 {
		t.Errorf("the own key was shown %d times", n)
	}
}

func TestWrongKeyIsAHardError(t *testing.T) {
	for _, test := range transports {
		t.Run(test.name, func(t *testing.T) {
			n, other := newNode(t), newNode(t)
			s := (&server{cert: other.cert}).start(t)
			me := newNode(t)
			d := newDialer(t, me)
			err := wantError[*dial.WrongKeyError](t, d, dial.Request{Target: s.target(n.id), Via: test.via})
			if !errors.Is(err, dial.ErrNotTrusted) || errors.Is(err, dial.ErrUnreachable) || err.Got != other.id.Key() {
				t.Errorf("got %v", err)
			}
			wantNotShown(t, me)
			if known, err := d.KnownNodes.Lookup(s.target(n.id).Address()); err != nil || known != (dial.Known{}) {
				t.Errorf("recorded %+v, %v", known, err)
			}
		})
	}
}

// The right node answers on TCP, but whoever answers on UDP first is another.
func TestWrongKeyOnOneTransportEndsTheDial(t *testing.T) {
	n, other := newNode(t), newNode(t)
	s := (&server{cert: n.cert, quicCert: &other.cert}).start(t)
	me := newNode(t)
	wantError[*dial.WrongKeyError](t, newDialer(t, me), dial.Request{Target: s.target(n.id)})
	wantNotShown(t, me)
}

// The server has the node's certificate, which is public, and not its key.
// VerifyConnection alone would be content.
func TestCertificateWithoutItsKey(t *testing.T) {
	for _, test := range transports {
		t.Run(test.name, func(t *testing.T) {
			n, thief := newNode(t), newNode(t)
			stolen := tls.Certificate{Certificate: n.cert.Certificate, PrivateKey: thief.cert.PrivateKey}
			s := (&server{cert: stolen}).start(t)
			for _, target := range []dial.Target{s.target(n.id), s.named("node.example")} {
				me := newNode(t)
				d := newDialer(t, me)
				d.AcceptNew = true
				_, _, err := tryDial(t, d, dial.Request{Target: target, Via: test.via})
				if !errors.Is(err, dial.ErrNotTrusted) {
					t.Errorf("%v: got %v", target, err)
				}
				wantNotShown(t, me)
				if known, err := d.KnownNodes.Lookup(target.Address()); err != nil || known != (dial.Known{}) {
					t.Errorf("%v: recorded %+v, %v", target, known, err)
				}
			}
		})
	}
}

func TestNameWithAuthority(t *testing.T) {
	pool, cert := authority(t, "node.example")
	s := (&server{cert: cert}).start(t)
	me := newNode(t)
	d := newDialer(t, me)
	d.RootCAs = pool
	target := s.named("node.example")
	for _, test := range transports {
		conn, info := mustDial(t, d, dial.Request{Target: target, Via: test.via})
		echo(t, conn)
		if info.Trust != dial.TrustCA || info.Key != auth.CertificateKey(cert.Leaf) {
			t.Errorf("got %+v", info)
		}
	}
	if got := s.serverNames(); !slices.Equal(got, []string{"node.example", "node.example"}) {
		t.Errorf("server names sent: %q", got)
	}
	if got := s.clients(); !slices.Equal(got, []auth.Key{me.id.Key(), me.id.Key()}) {
		t.Errorf("server saw %v", got)
	}
	if known, err := d.KnownNodes.Lookup(target.Address()); err != nil || known != (dial.Known{CA: true}) {
		t.Errorf("recorded %+v, %v", known, err)
	}
	// The certificate is for another name: first contact, not trusted.
	wantError[*dial.UnknownNodeError](t, d, dial.Request{Target: s.named("other.example")})
}

func TestOnceAuthorityNowSelfSigned(t *testing.T) {
	n := newNode(t)
	for _, test := range transports {
		s := (&server{cert: n.cert}).start(t)
		target := s.named("node.example")
		me := newNode(t)
		d := newDialer(t, me)
		if err := d.KnownNodes.RecordCA(t.Context(), target.Address()); err != nil {
			t.Fatal(err)
		}
		d.AcceptNew = true // does not help
		d.Confirm = func(context.Context, dial.FirstContact) (bool, error) { t.Error("asked"); return true, nil }
		err := wantError[*dial.DowngradeError](t, d, dial.Request{Target: target, Via: test.via})
		if !errors.Is(err, dial.ErrNotTrusted) || !strings.Contains(err.Error(), n.id.String()+"@"+target.Address()) {
			t.Errorf("got %v", err)
		}
		wantNotShown(t, me)
		// The advice that the error gives works.
		withID := target
		withID.ID = n.id
		mustDial(t, d, dial.Request{Target: withID})
		_, info := mustDial(t, d, dial.Request{Target: target})
		if info.Trust != dial.TrustKnown {
			t.Errorf("after a dial by id: got %v", info.Trust)
		}
	}
}

func TestChangedKey(t *testing.T) {
	n, before := newNode(t), newNode(t)
	s := (&server{cert: n.cert}).start(t)
	target := s.named("node.example")
	for _, test := range []struct {
		name   string
		record func(*dial.KnownNodes) error
	}{
		{"pin", func(k *dial.KnownNodes) error {
			return k.RecordPin(t.Context(), target.Address(), before.id.Key())
		}},
		{"tofu", func(k *dial.KnownNodes) error {
			return k.RecordTOFU(t.Context(), target.Address(), before.id.Key())
		}},
	} {
		for _, tr := range transports {
			t.Run(test.name+"/"+tr.name, func(t *testing.T) {
				me := newNode(t)
				d := newDialer(t, me)
				d.AcceptNew = true // does not help
				if err := test.record(d.KnownNodes); err != nil {
					t.Fatal(err)
				}
				err := wantError[*dial.KeyChangedError](t, d, dial.Request{Target: target, Via: tr.via})
				if err.Want != before.id.Key() || err.Got != n.id.Key() || !errors.Is(err, dial.ErrNotTrusted) {
					t.Errorf("got %v", err)
				}
				wantNotShown(t, me)
				if !strings.Contains(err.Error(), n.id.String()+"@"+target.Address()) {
					t.Errorf("says not what to do: %v", err)
				}
			})
		}
	}
}

func TestFirstContact(t *testing.T) {
	n := newNode(t)
	yes := func(_ context.Context, c dial.FirstContact) (bool, error) {
		if c.Key != n.id.Key() || c.Err == nil {
			t.Errorf("asked about %+v", c)
		}
		return true, nil
	}
	no := func(context.Context, dial.FirstContact) (bool, error) { return false, nil }
	for _, test := range []struct {
		name    string
		confirm func(context.Context, dial.FirstContact) (bool, error)
		accept  bool
		want    bool
	}{
		{"no terminal", nil, false, false},
		{"declined", no, false, false},
		{"confirmed", yes, false, true},
		{"accept-new", nil, true, true},
	} {
		for _, tr := range transports {
			t.Run(test.name+"/"+tr.name, func(t *testing.T) {
				s := (&server{cert: n.cert}).start(t)
				target := s.named("node.example")
				me := newNode(t)
				d := newDialer(t, me)
				d.Confirm, d.AcceptNew = test.confirm, test.accept
				if !test.want {
					err := wantError[*dial.UnknownNodeError](t, d, dial.Request{Target: target, Via: tr.via})
					if err.Key != n.id.Key() || !errors.Is(err, dial.ErrNotTrusted) || !strings.Contains(err.Error(), n.id.String()) {
						t.Errorf("got %v", err)
					}
					if !err.Declined && !strings.Contains(err.Error(), "--accept-new") {
						t.Errorf("says not what to do: %v", err)
					}
					wantNotShown(t, me)
					return
				}
				if test.confirm != nil {
					d.Confirm = func(ctx context.Context, c dial.FirstContact) (bool, error) {
						wantNotShown(t, me)
						return test.confirm(ctx, c)
					}
				}
				conn, info := mustDial(t, d, dial.Request{Target: target, Via: tr.via})
				echo(t, conn)
				if info.Trust != dial.TrustNew || me.shown.Load() != 1 {
					t.Errorf("first: got %v, own key shown %d times", info.Trust, me.shown.Load())
				}
				d.Confirm, d.AcceptNew = nil, false
				if _, info = mustDial(t, d, dial.Request{Target: target, Via: tr.via}); info.Trust != dial.TrustKnown {
					t.Errorf("second: got %v", info.Trust)
				}
			})
		}
	}
}

func TestFirstContactWithAnAddress(t *testing.T) {
	n := newNode(t)
	s := (&server{cert: n.cert}).start(t)
	d := newDialer(t, newNode(t))
	d.AcceptNew = true
	d.Lookup = func(context.Context, string) ([]netip.Addr, error) { t.Error("looked up"); return nil, nil }
	mustDial(t, d, dial.Request{Target: s.named("127.0.0.1")})
	for _, name := range s.serverNames() {
		if name != "" {
			t.Errorf("server name sent: %q", name)
		}
	}
}

func TestBadKnownNodesStopsEveryDial(t *testing.T) {
	n := newNode(t)
	s := (&server{cert: n.cert}).start(t)
	d := newDialer(t, newNode(t))
	writeFile(t, d.KnownNodes.Path, "# fine\nnode.example:1 pin nonsense\n")
	for _, target := range []dial.Target{s.target(n.id), s.named("node.example")} {
		if err := wantError[*dial.KnownNodesError](t, d, dial.Request{Target: target}); err.Line != 2 {
			t.Errorf("got line %d", err.Line)
		}
	}
	if s.packets() != 0 {
		t.Error("something was sent")
	}
}
