//go:build unix

package udpconn

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// A socket of loopback cannot send anywhere else, and nothing leaves the machine.
func TestForgive(t *testing.T) {
	elsewhere := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9}
	for _, gro := range []bool{false, true} {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		w, _ := Wrap(c, gro)
		writes := map[string]func(size int) (int, error){
			"WriteTo": func(size int) (int, error) { return w.WriteTo(make([]byte, size), elsewhere) },
			"WriteMsgUDP": func(size int) (int, error) {
				n, _, err := w.WriteMsgUDP(make([]byte, size), nil, elsewhere)
				return n, err
			},
		}
		for name, write := range writes {
			if _, err := write(10); err == nil {
				t.Fatalf("gro %v: %s sends from loopback to 192.0.2.1", gro, name)
			}
		}
		w.Forgive()
		for name, write := range writes {
			if n, err := write(10); n != 10 || err != nil {
				t.Errorf("gro %v: %s: %d, %v", gro, name, n, err)
			}
			if _, err := write(1 << 16); !errors.Is(err, syscall.EMSGSIZE) {
				t.Errorf("gro %v: %s: a datagram that is too large: %v", gro, name, err)
			}
		}
		c.Close()
		for name, write := range writes {
			if _, err := write(10); !errors.Is(err, net.ErrClosed) {
				t.Errorf("gro %v: %s on a closed socket: %v", gro, name, err)
			}
		}
	}
}
