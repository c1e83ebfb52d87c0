module github.com/alkdev/alknet/scripts/packaging

go 1.26.0

require (
	github.com/alkdev/alknet/scripts/guides v0.1.0
	github.com/google/licensecheck v0.3.1
	github.com/spdx/tools-golang v0.5.7
)

require (
	github.com/anchore/go-struct-converter v0.1.0 // indirect
	github.com/creack/pty v1.1.24 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace (
	github.com/alkdev/alknet/scripts/guides => ../guides
	github.com/alkdev/alknet/scripts/netlab => ../netlab
)
