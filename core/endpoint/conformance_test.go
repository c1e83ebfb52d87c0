package endpoint_test

import (
	"context"
	"testing"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/coretest"
)

// Connections between an endpoint and its clients keep the contract.
func TestConformance(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			accepted := make(chan core.Connection, 1)
			n := start(t, nil, core.HandlerFunc("alknet/conform", func(ctx context.Context, conn core.Connection, _ *core.AuthContext) error {
				accepted <- conn
				<-conn.Context().Done()
				return nil
			}))
			coretest.TestConnection(t, func(t *testing.T) (core.Connection, core.Connection) {
				return mustDial(t, transport.dial, n.addr, offer(nil, "alknet/conform")), <-accepted
			})
		})
	}
}
