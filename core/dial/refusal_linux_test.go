package dial_test

import (
	"strings"
	"testing"

	"github.com/alkdev/alknet/core/dial"
)

func TestClosedUDPPortIsNoticed(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		s := (&server{ip: ip, noTCP: true, noQUIC: true}).start(t)
		err := wantError[*dial.UnreachableError](t, newDialer(t, newNode(t)), dial.Request{Target: s.target(newNode(t).id), Via: dial.OnlyQUIC})
		if !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: got %v", ip, err)
		}
	}
}
