module github.com/alkdev/alknet/http

go 1.26.0

require (
	github.com/alkdev/alknet/call v0.1.0
	github.com/alkdev/alknet/core v0.1.0
	github.com/go-chi/chi/v5 v5.5.0
	github.com/quic-go/quic-go v0.64.1
	go.uber.org/goleak v1.3.0
	golang.org/x/net v0.60.0
)

replace github.com/alkdev/alknet/core => ../core

replace github.com/alkdev/alknet/call => ../call
