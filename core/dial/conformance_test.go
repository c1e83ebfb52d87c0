package dial_test

import (
	"testing"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/coretest"
	"github.com/alkdev/alknet/core/dial"
)

// What Dial returns is a Connection like any other, through a proxy too.
func TestConformance(t *testing.T) {
	for _, test := range transports {
		for _, proxied := range []bool{false, true} {
			name := test.name
			if proxied {
				name += " through a proxy"
			}
			t.Run(name, func(t *testing.T) {
				n := newNode(t)
				s := (&server{cert: n.cert, accepted: make(chan core.Connection, 1)}).start(t)
				d := newDialer(t, newNode(t))
				if proxied {
					d.Proxy = &dial.Proxy{Addr: (&socksServer{}).start(t).addr}
				}
				coretest.TestConnection(t, func(t *testing.T) (dialled, accepted core.Connection) {
					conn, _ := mustDial(t, d, dial.Request{Target: s.target(n.id), Via: test.via})
					return conn, <-s.accepted
				})
			})
		}
	}
}
