package call_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/coretest"
)

// connected is a pair of connections in memory; a node has one of the
// endpoint's and one of the dialler's.
func connected() (near, far core.Connection) { return coretest.Pair(call.ALPN) }

type Terms struct {
	A int `json:"a"`
	B int `json:"b"`
}

func Example() {
	var reg call.Registry
	err := call.Query(&reg, "math/add", func(_ context.Context, in Terms) (int, error) {
		return in.A + in.B, nil
	}, call.Describe("Adds two numbers."), call.Public())
	if err != nil {
		fmt.Println(err)
		return
	}
	near, far := connected()
	served := make(chan error, 1)
	go func() {
		server := &call.Server{Registry: &reg}
		served <- server.Handle(context.Background(), far, core.NewAuthContext(core.Identity{}, auth.Key{}, call.ALPN, nil, nil))
	}()

	ctx := context.Background()
	client := call.NewClient(near)
	sum, err := call.Call[int](ctx, client, "math/add", Terms{2, 3})
	fmt.Println(sum, err)
	_, err = call.Call[int](ctx, client, "math/add", "two and three")
	fmt.Println(call.CodeOf(err))
	client.Close()
	fmt.Println(<-served)
	// Output:
	// 5 <nil>
	// INVALID_INPUT
	// <nil>
}

func ExampleSubscription() {
	var reg call.Registry
	call.Subscription(&reg, "clock/ticks", func(ctx context.Context, n int) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for i := range n {
				if !yield(fmt.Sprint("tick ", i+1), nil) {
					return // the caller has left
				}
			}
		}
	}, call.Public())
	server := &call.Server{Registry: &reg}

	nobody := server.Local(core.Identity{}) // as if over a connection
	for tick, err := range call.Subscribe[string](context.Background(), nobody, "clock/ticks", 3) {
		fmt.Println(tick, err)
	}
	// Output:
	// tick 1 <nil>
	// tick 2 <nil>
	// tick 3 <nil>
}
