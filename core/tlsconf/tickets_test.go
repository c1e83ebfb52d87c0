package tlsconf

import (
	"crypto/tls"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestTicketKeysRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := ticketKeys{configs: []*tls.Config{{}, {}}}
		keys.rotate()
		first := keys.keys[0][0]
		if keys.keys[1][0] == first {
			t.Error("two configurations share a ticket key")
		}
		time.Sleep(ticketRotation - time.Second)
		keys.rotate()
		if keys.keys[0][0] != first {
			t.Error("rotated early")
		}
		time.Sleep(time.Second)
		for day := range ticketHistory {
			keys.rotate()
			if keys.keys[0][0] == first || !slices.Contains(keys.keys[0], first) {
				t.Errorf("day %d: the first key still seals, or opens no more", day+1)
			}
			time.Sleep(ticketRotation)
		}
		keys.rotate()
		if slices.Contains(keys.keys[0], first) {
			t.Error("the first key opens after three days")
		}
		last := keys.keys[0][0]
		time.Sleep(10 * ticketRotation)
		keys.rotate()
		if slices.Contains(keys.keys[0], last) {
			t.Error("a key opens after a long silence")
		}
	})
}
