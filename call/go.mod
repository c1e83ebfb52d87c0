module github.com/alkdev/alknet/call

go 1.26.0

require (
	github.com/alkdev/alknet/core v0.1.0
	github.com/go-json-experiment/json v1.27.2
	github.com/google/jsonschema-go v0.4.3
	go.uber.org/goleak v1.3.0
)

replace github.com/alkdev/alknet/core => ../core
