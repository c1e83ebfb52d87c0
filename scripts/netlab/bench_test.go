package netlab_test

import (
	"slices"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab"
	"github.com/alkdev/alknet/scripts/netlab/link"
)

// BenchmarkTransfer moves bytes through one TCP connection over perfect links.
func BenchmarkTransfer(b *testing.B) {
	const size = 64 << 20
	lab := netlab.New(b, netlab.Config{})
	inet := lab.Network("internet")
	client, server := inet.Host("client"), inet.Host("server")
	b.SetBytes(size)
	before := server.Link().Stats().Down.Out.Packets
	for b.Loop() {
		transfer(b, client, server, "server", size)
	}
	packets := server.Link().Stats().Down.Out.Packets - before
	b.ReportMetric(float64(packets)/b.Elapsed().Seconds(), "packets/s")
}

// BenchmarkRoundTrip answers UDP packets, and reports by how much a round trip
// is longer than the delays of the links.
func BenchmarkRoundTrip(b *testing.B) {
	for _, delay := range []time.Duration{0, 25 * time.Millisecond} {
		b.Run(delay.String(), func(b *testing.B) {
			lab := netlab.New(b, netlab.Config{})
			inet := lab.Network("internet")
			client, server := inet.Host("client"), inet.Host("server")
			client.Link().Both(link.Shape{Delay: delay})
			out, in := udp(b, client), udp(b, server)
			var late []time.Duration
			for b.Loop() {
				begin := time.Now()
				echo(b, out, in, server.Addr4())
				late = append(late, time.Since(begin)-2*delay)
			}
			slices.Sort(late)
			for name, i := range map[string]int{"median-late-µs": len(late) / 2, "p99-late-µs": len(late) * 99 / 100} {
				b.ReportMetric(float64(late[i].Microseconds()), name)
			}
		})
	}
}
