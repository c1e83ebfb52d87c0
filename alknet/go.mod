module github.com/alkdev/alknet/alknet

go 1.26.0

require (
	github.com/alkdev/alknet/call v0.1.0
	github.com/alkdev/alknet/core v0.1.0
	github.com/alkdev/alknet/dns v0.1.0
	github.com/alkdev/alknet/fs v0.1.0
	github.com/alkdev/alknet/git v0.1.0
	github.com/alkdev/alknet/http v0.1.0
	github.com/alkdev/alknet/msg v0.1.0
	github.com/alkdev/alknet/sftp v0.1.0
	github.com/alkdev/alknet/ssh v0.1.0
	github.com/alkdev/alknet/vault v0.1.0
	github.com/gofrs/flock v0.13.2
	github.com/pelletier/go-toml/v2 v2.4.3
	github.com/prometheus/client_golang v1.25.0
	github.com/quic-go/quic-go v0.64.1
	github.com/rogpeppe/go-internal v1.16.0
	github.com/spf13/cobra v1.10.2
	go.uber.org/goleak v1.3.0
	golang.org/x/crypto v0.58.0
	golang.org/x/sys v0.49.0
	golang.org/x/term v0.47.0
)
