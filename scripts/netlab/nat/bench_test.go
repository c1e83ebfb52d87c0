package nat_test

import (
	"testing"

	"github.com/alkdev/alknet/scripts/netlab/nat"
)

// there sends a packet out and its answer in, which leaves both as they were.
func there(t testing.TB, n *nat.NAT, sent, answer, want []byte) {
	copy(sent, want)
	if _, err := n.Outbound(0, sent); err != nil {
		t.Fatal(err)
	}
	copy(answer[12:16], sent[16:20])
	copy(answer[16:20], sent[12:16])
	copy(answer[20:22], sent[22:24])
	copy(answer[22:24], sent[20:22])
	if err := n.Inbound(0, answer); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkNAT(b *testing.B) {
	for _, kind := range allKinds {
		b.Run(kind.String(), func(b *testing.B) {
			n := newNAT(b, nat.Config{Kind: kind})
			want := udpPacket(alice, server, string(make([]byte, 1200)))
			sent, answer := make([]byte, len(want)), append([]byte{}, want...)
			b.ReportAllocs()
			for b.Loop() {
				there(b, n, sent, answer, want)
			}
		})
	}
}

func TestPassingDoesNotAllocate(t *testing.T) {
	for _, kind := range allKinds {
		n := newNAT(t, nat.Config{Kind: kind})
		want := udpPacket(alice, server, "x")
		sent, answer := make([]byte, len(want)), append([]byte{}, want...)
		if a := testing.AllocsPerRun(1000, func() { there(t, n, sent, answer, want) }); a != 0 {
			t.Errorf("%v: a packet and its answer allocate %v times", kind, a)
		}
		stray := udpPacket(other, server, "x")
		if a := testing.AllocsPerRun(1000, func() { _ = n.Inbound(0, stray) }); a != 0 {
			t.Errorf("%v: a refused packet allocates %v times", kind, a)
		}
	}
}
