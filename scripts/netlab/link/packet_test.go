package link_test

import (
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab/link"
)

const (
	udp = 17
	tcp = 6
)

// ipv4 returns an IPv4 packet of the given protocol and size; only what a Pipe
// looks at is filled in.
func ipv4(protocol byte, size int) []byte {
	p := make([]byte, size)
	p[0], p[9] = 0x45, protocol
	return p
}

// ipv6 returns an IPv6 packet whose headers after the fixed one are given.
func ipv6(next byte, rest ...byte) []byte {
	p := make([]byte, 40, 40+len(rest))
	p[0], p[6] = 0x60, next
	return append(p, rest...)
}

func newPipe(t testing.TB, s link.Shape, seed uint64) *link.Pipe {
	t.Helper()
	p, err := link.NewPipe(s, seed)
	if err != nil {
		t.Fatalf("NewPipe(%v): %v", s, err)
	}
	return p
}

// sendEvery sends n packets with the same gap between them.
func sendEvery(p *link.Pipe, gap time.Duration, n int, packet []byte) []link.Fate {
	fates := make([]link.Fate, n)
	for i := range fates {
		fates[i] = p.Send(time.Duration(i)*gap, packet)
	}
	return fates
}
