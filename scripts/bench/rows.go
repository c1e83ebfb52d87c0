package main

import "fmt"

// A row compares one thing. To add one, write a function that measures it once,
// for us or for the peer, and name it here.
type row struct {
	name, what string
	unit       string
	sample     func(alknet bool) (sample, error)

	atLeast float64 // of the value's ratio; 0 asks for nothing
	atMost  float64
	cpuMost float64 // of the ratio of CPU time

	binaries bool // needs what prepare builds
}

var rows = []row{
	{name: "quic-up", what: "one stream towards the server, against bare quic-go; batched receive off",
		unit: "MB/s", sample: bulkQUIC(bulk{up: true, plain: true}), atLeast: 0.97},
	{name: "quic-down", what: "one stream from the server; batched receive off",
		unit: "MB/s", sample: bulkQUIC(bulk{plain: true}), atLeast: 0.97},
	{name: "quic-up-gro", what: "one stream towards the server, as alknet runs it",
		unit: "MB/s", sample: bulkQUIC(bulk{up: true}), atLeast: 1.15, cpuMost: 0.85},
	{name: "quic-down-gro", what: "one stream from the server, as alknet runs it",
		unit: "MB/s", sample: bulkQUIC(bulk{}), atLeast: 1.15, cpuMost: 0.85},
	{name: "quic-connect", what: "new connections, one after the other, client certificates, a stream each",
		unit: "/s", sample: connectQUIC, atLeast: 0.95},
	{name: "quic-echo", what: "open a stream, 64 bytes there and back: median time",
		unit: "us", sample: echoQUIC, atMost: 1.05},
	{name: "tcp-up", what: "one TLS connection towards the server, against bare crypto/tls",
		unit: "MB/s", sample: bulkTCP(true), atLeast: 0.95},
	{name: "tcp-down", what: "one TLS connection from the server",
		unit: "MB/s", sample: bulkTCP(false), atLeast: 0.95},
	{name: "idle-memory", what: "server memory of an idle QUIC connection, 1000 of them",
		unit: "KiB", sample: idleMemory, atMost: 1.15},
	{name: "start-version", what: "'alknet version' against an empty Go program",
		unit: "ms", binaries: true, sample: startVersion, atMost: 3},
	{name: "start-proxy", what: "'alknet proxy' up to its first packet against an empty Go program",
		unit: "ms", binaries: true, sample: startProxy, atMost: 3},
	{name: "start-serve", what: "'alknet serve' until ready, against 300 ms",
		unit: "ms", binaries: true, sample: startServe, atMost: 1},
}

func rowNamed(name string) row {
	for _, r := range rows {
		if r.name == name {
			return r
		}
	}
	return row{}
}

func (r row) holds(res result) bool {
	return (r.atLeast == 0 || res.Value.High >= r.atLeast) &&
		(r.atMost == 0 || res.Value.Low <= r.atMost) &&
		(r.cpuMost == 0 || res.CPU.Low <= r.cpuMost)
}

func (r row) target() string {
	text := ""
	if r.atLeast != 0 {
		text = fmt.Sprintf("≥ %.2f", r.atLeast)
	}
	if r.atMost != 0 {
		text = fmt.Sprintf("≤ %.2f", r.atMost)
	}
	if r.cpuMost != 0 {
		text += fmt.Sprintf(", CPU ≤ %.2f", r.cpuMost)
	}
	return text
}
