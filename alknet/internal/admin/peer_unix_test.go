//go:build linux || darwin || freebsd

package admin

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestAllowUID(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const self = 1000
	for _, test := range []struct {
		name string
		uid  uint32
		err  error
		want bool
	}{
		{"own user", self, nil, true},
		{"root", 0, nil, true},
		{"other user", 1001, nil, false},
		{"nobody", ^uint32(0), nil, false},
		{"no answer", self, errors.New("not a socket"), false},
		{"no answer and root's number", 0, errors.New("not a socket"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := allowUID(c, func(int) (uint32, error) { return test.uid, test.err }, self, 0); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if allowUID(near, func(int) (uint32, error) { return self, nil }, self) {
		t.Error("what is no socket was admitted")
	}
	if !peerAllowed(c, uint32(os.Getuid())) {
		t.Error("this very process was not admitted")
	}
}
