package main

import "github.com/alkdev/alknet/scripts/bench/harness"

const (
	quicGo    = "quic-go"
	cryptoTLS = "crypto/tls"
)

// transport asks what the router and the contract cost, and what batched receive
// gives. The peers run with the same certificates, client authentication and
// quic.Config.
func transport() harness.Group {
	noLoss, batched := harness.Target{AtLeast: 0.97}, harness.Target{AtLeast: 1.15, CPUAtMost: 0.85}
	return harness.Group{
		Name: "transport", Title: "Streams and connections, beside bare quic-go and crypto/tls",
		Modules: []string{"github.com/quic-go/quic-go"},
		Rows: []harness.Row{
			{Name: "quic-up", What: "one stream towards the server; batched receive off", Against: quicGo, Unit: "MB/s",
				Ours: bulkQUIC(plainNode, true), Peer: bulkQUIC(bareQUIC, true), Target: noLoss},
			{Name: "quic-down", What: "one stream from the server; batched receive off", Against: quicGo, Unit: "MB/s",
				Ours: bulkQUIC(plainNode, false), Peer: bulkQUIC(bareQUIC, false), Target: noLoss},
			{Name: "quic-up-gro", What: "one stream towards the server, as alknet runs it", Against: quicGo, Unit: "MB/s",
				Ours: bulkQUIC(node, true), Peer: bulkQUIC(bareQUIC, true), Target: batched},
			{Name: "quic-down-gro", What: "one stream from the server, as alknet runs it", Against: quicGo, Unit: "MB/s",
				Ours: bulkQUIC(node, false), Peer: bulkQUIC(bareQUIC, false), Target: batched},
			{Name: "quic-connect", What: "new connections, one after the other, client certificates, a stream each", Against: quicGo, Unit: "/s",
				Ours: connectQUIC(plainNode), Peer: connectQUIC(bareQUIC), Target: harness.Target{AtLeast: 0.95}},
			{Name: "quic-echo", What: "open a stream, 64 bytes there and back: median time", Against: quicGo, Unit: "µs",
				Ours: echoQUIC(plainNode), Peer: echoQUIC(bareQUIC), Target: harness.Target{AtMost: 1.05}},
			{Name: "tcp-up", What: "one TLS connection towards the server", Against: cryptoTLS, Unit: "MB/s",
				Ours: bulkTCP(dialNodeTCP, true), Peer: bulkTCP(dialBareTCP, true), Target: harness.Target{AtLeast: 0.95}},
			{Name: "tcp-down", What: "one TLS connection from the server", Against: cryptoTLS, Unit: "MB/s",
				Ours: bulkTCP(dialNodeTCP, false), Peer: bulkTCP(dialBareTCP, false), Target: harness.Target{AtLeast: 0.95}},
			{Name: "idle-memory", What: "server memory of an idle QUIC connection, of 1000", Against: quicGo, Unit: "KiB",
				Ours: idleMemory(plainNode), Peer: idleMemory(bareQUIC), Target: harness.Target{AtMost: 1.15}},
		},
	}
}
