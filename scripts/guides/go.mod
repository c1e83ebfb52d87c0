module github.com/alkdev/alknet/scripts/guides

go 1.26.0

require (
	github.com/alkdev/alknet/scripts/netlab v0.1.0
	github.com/creack/pty v1.1.24
	go.uber.org/goleak v1.3.0
	golang.org/x/net v0.60.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/vishvananda/netlink v1.3.1 // indirect
	github.com/vishvananda/netns v0.0.5 // indirect
)

replace github.com/alkdev/alknet/scripts/netlab => ../netlab
