module github.com/alkdev/alknet/scripts/guides

go 1.26.0

require (
	github.com/creack/pty v1.1.24
	golang.org/x/net v0.60.0
	golang.org/x/sys v0.49.0
)
