module github.com/alkdev/alknet/scripts/interop

go 1.26.0

replace github.com/alkdev/alknet/vault => ../../vault

replace github.com/alkdev/alknet/core => ../../core

replace github.com/alkdev/alknet/call => ../../call

replace github.com/alkdev/alknet/ssh => ../../ssh

replace github.com/alkdev/alknet/sftp => ../../sftp

replace github.com/alkdev/alknet/git => ../../git

replace github.com/alkdev/alknet/fs => ../../fs

replace github.com/alkdev/alknet/dns => ../../dns

replace github.com/alkdev/alknet/msg => ../../msg

replace github.com/alkdev/alknet/http => ../../http

replace github.com/alkdev/alknet/alknet => ../../alknet

require (
	github.com/alkdev/alknet/call v0.1.0
	github.com/alkdev/alknet/core v0.1.0
	github.com/alkdev/alknet/http v0.1.0
	github.com/go-chi/chi/v5 v5.5.0
	github.com/prometheus/common v0.72.0
)

require (
	github.com/coder/websocket v1.8.15 // indirect
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/quic-go/qpack v0.6.0 // indirect
	github.com/quic-go/quic-go v0.64.1 // indirect
	github.com/vishvananda/netlink v1.3.1 // indirect
	github.com/vishvananda/netns v0.0.5 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

require (
	github.com/alkdev/alknet/scripts/netlab v0.1.0
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	golang.org/x/net v0.60.0
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/alkdev/alknet/scripts/netlab => ../netlab
