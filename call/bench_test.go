package call_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core/coretest"
)

// BenchmarkEcho is what both ends of a call cost beside their transport.
func BenchmarkEcho(b *testing.B) {
	for name, size := range map[string]int{"64": 64, "4096": 4096} {
		b.Run(name, func(b *testing.B) {
			reg := new(call.Registry)
			s := json.RawMessage(`{"type":"object","properties":{"data":{"type":"string"}},"required":["data"],"additionalProperties":false}`)
			err := reg.Register(call.Operation{
				Spec:    call.Spec{Name: "bench/echo", Type: call.TypeQuery, Access: call.Access{Public: true}, Input: s, Output: s},
				Handle:  func(_ context.Context, in json.RawMessage) (json.RawMessage, error) { return in, nil },
				Borrows: true,
			})
			if err != nil {
				b.Fatal(err)
			}
			near, far := coretest.StreamPair(call.ALPN)
			served := make(chan error, 1)
			go func() {
				served <- (&call.Server{Registry: reg}).Handle(context.Background(), far, coretest.Auth(b, far, "peer"))
			}()
			c := call.NewClient(near)
			in := json.RawMessage(`{"data":"` + strings.Repeat("x", size) + `"}`)
			b.SetParallelism(64)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := c.Call(context.Background(), "bench/echo", in); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.StopTimer()
			c.Close()
			<-c.Done()
			<-served
		})
	}
}
