package link_test

import (
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab/link"
)

var everything = link.Shape{
	Delay: 25 * ms, Jitter: 5 * ms, Loss: 0.01, Burst: link.Burst{Enter: 0.001, Leave: 0.2}, Rate: 1e9,
	Reorder: 0.01, Duplicate: 0.01, MTU: 1500, BlockUDP: true,
}

func BenchmarkSend(b *testing.B) {
	for _, bb := range []struct {
		name  string
		shape link.Shape
	}{
		{"perfect", link.Shape{}},
		{"everything", everything},
	} {
		b.Run(bb.name, func(b *testing.B) {
			p := newPipe(b, bb.shape, 1)
			packet := ipv4(tcp, 1500)
			b.ReportAllocs()
			b.SetBytes(int64(len(packet)))
			now := time.Duration(0)
			for b.Loop() {
				now += 12 * time.Microsecond
				p.Send(now, packet)
			}
		})
	}
}

func TestSendDoesNotAllocate(t *testing.T) {
	p := newPipe(t, everything, 1)
	packet := ipv6(0, 6, 0, 0, 0, 0, 0, 0, 0)
	if n := testing.AllocsPerRun(1000, func() { p.Send(0, packet) }); n != 0 {
		t.Errorf("Send allocates %v times", n)
	}
}
