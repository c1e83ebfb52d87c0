package main

import "github.com/alkdev/alknet/scripts/bench/harness"

const (
	grpcTLS    = "grpc-go, TLS 1.3"
	bytesQUIC  = "bytes on one QUIC stream"
	callers    = 64
	smallText  = 64
	largeText  = 4 << 10
	itemText   = 1 << 10
	idleConns  = 100
	idleOfEach = 100
)

var rpcs = []rpc{callQUIC, callTCP, openQUIC, typedQUIC, grpcGo, bytesShared, bytesEach}

// calls asks what a call costs beside the one that people would use instead, and
// beside the bytes that it moves.
func calls() harness.Group {
	return harness.Group{
		Name: "call", Title: "Calls, beside grpc-go and beside bytes without JSON",
		Modules: []string{"google.golang.org/grpc", "github.com/quic-go/quic-go"},
		Rows: []harness.Row{
			{Name: "call-64-quic", What: "64 bytes there and back, 64 callers on one connection, QUIC", Against: grpcTLS, Unit: "/s",
				Ours: callRate(callQUIC, callers, smallText), Peer: callRate(grpcGo, callers, smallText), Target: harness.Target{AtLeast: 1.2}},
			{Name: "call-64-tcp", What: "the same over TCP and TLS", Against: grpcTLS, Unit: "/s",
				Ours: callRate(callTCP, callers, smallText), Peer: callRate(grpcGo, callers, smallText), Target: harness.Target{AtLeast: 1.5}},
			{Name: "call-one-quic", What: "64 bytes there and back, one caller, QUIC: median time", Against: grpcTLS, Unit: "µs",
				Ours: callTime(callQUIC, smallText), Peer: callTime(grpcGo, smallText), Target: harness.Target{AtMost: 1}},
			{Name: "call-one-tcp", What: "the same over TCP and TLS", Against: grpcTLS, Unit: "µs",
				Ours: callTime(callTCP, smallText), Peer: callTime(grpcGo, smallText), Target: harness.Target{AtMost: 1}},
			{Name: "call-4k-quic", What: "4 KiB there and back, 64 callers, QUIC, beside frames without JSON", Against: bytesQUIC, Unit: "/s",
				Ours: callRate(callQUIC, callers, largeText), Peer: callRate(bytesShared, callers, largeText), Target: harness.Target{AtLeast: 0.9}},
			{Name: "call-4k-tcp", What: "4 KiB there and back, 64 callers, TCP and TLS", Against: grpcTLS, Unit: "/s",
				Ours: callRate(callTCP, callers, largeText), Peer: callRate(grpcGo, callers, largeText), Target: harness.Target{AtLeast: 1}},
			{Name: "call-stream-quic", What: "a subscription of 1 KiB items, QUIC, beside server streaming", Against: grpcTLS, Unit: "/s",
				Ours: itemRate(callQUIC, itemText), Peer: itemRate(grpcGo, itemText), Target: harness.Target{AtLeast: 1}},
			{Name: "call-stream-tcp", What: "the same over TCP and TLS", Against: grpcTLS, Unit: "/s",
				Ours: itemRate(callTCP, itemText), Peer: itemRate(grpcGo, itemText), Target: harness.Target{AtLeast: 1}},
			{Name: "call-idle", What: "server memory of an idle subscription, of 10,000 on 100 connections; nothing is left when they end", Against: grpcTLS, Unit: "KiB",
				Ours: idleItems(callQUIC), Peer: idleItems(grpcGo)},
			{Name: "call-64-limit", What: "call-64-quic, beside frames without JSON", Against: bytesQUIC, Unit: "/s",
				Ours: callRate(callQUIC, callers, smallText), Peer: callRate(bytesShared, callers, smallText)},
			{Name: "call-4k-grpc", What: "call-4k-quic, beside gRPC", Against: grpcTLS, Unit: "/s",
				Ours: callRate(callQUIC, callers, largeText), Peer: callRate(grpcGo, callers, largeText)},
			{Name: "call-64-open", What: "call-64-quic without schemas, beside the same with them", Against: "validated", Unit: "/s",
				Ours: callRate(openQUIC, callers, smallText), Peer: callRate(callQUIC, callers, smallText)},
			{Name: "call-4k-open", What: "call-4k-quic without schemas, beside the same with them", Against: "validated", Unit: "/s",
				Ours: callRate(openQUIC, callers, largeText), Peer: callRate(callQUIC, callers, largeText)},
			{Name: "call-64-typed", What: "call-64-quic with Go types on both ends, beside raw JSON", Against: "raw", Unit: "/s",
				Ours: callRate(typedQUIC, callers, smallText), Peer: callRate(callQUIC, callers, smallText)},
			{Name: "call-4k-typed", What: "call-4k-quic with Go types on both ends, beside raw JSON", Against: "raw", Unit: "/s",
				Ours: callRate(typedQUIC, callers, largeText), Peer: callRate(callQUIC, callers, largeText)},
			{Name: "bytes-each", What: "64 bytes without JSON, a QUIC stream for each call, beside one stream for all", Against: bytesQUIC, Unit: "/s",
				Ours: callRate(bytesEach, callers, smallText), Peer: callRate(bytesShared, callers, smallText)},
		},
	}
}
