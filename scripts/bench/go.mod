module github.com/alkdev/alknet/scripts/bench

go 1.26.0

require (
	github.com/alkdev/alknet/call v0.1.0
	github.com/alkdev/alknet/core v0.1.0
	github.com/alkdev/alknet/scripts/bench/harness v0.1.0
	github.com/alkdev/alknet/scripts/netlab v0.1.0
	github.com/quic-go/quic-go v0.64.1
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/vishvananda/netlink v1.3.1 // indirect
	github.com/vishvananda/netns v0.0.5 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1 // indirect
)

replace (
	github.com/alkdev/alknet/call => ../../call
	github.com/alkdev/alknet/core => ../../core
	github.com/alkdev/alknet/scripts/bench/harness => ./harness
	github.com/alkdev/alknet/scripts/netlab => ../netlab
)
