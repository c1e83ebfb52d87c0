module github.com/alkdev/alknet/ssh

go 1.26.0

require (
	github.com/alkdev/alknet/core v0.1.0
	github.com/creack/pty v1.1.24
	golang.org/x/crypto v0.58.0
)

require golang.org/x/sys v0.49.0

require go.uber.org/goleak v1.3.0

replace github.com/alkdev/alknet/core => ../core
