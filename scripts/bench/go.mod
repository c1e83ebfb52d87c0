module github.com/alkdev/alknet/scripts/bench

go 1.26.0

require (
	github.com/alkdev/alknet/core v0.1.0
	github.com/quic-go/quic-go v0.64.1
)

replace github.com/alkdev/alknet/core => ../../core
