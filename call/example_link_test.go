package call_test

import (
	"context"
	"fmt"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/coretest"
)

// A node passes an operation of its peer on to callers that hold a scope.
func ExampleLink() {
	far := &call.Server{Registry: new(call.Registry)}
	_ = call.Query(far.Registry, "math/add", add, call.Public())

	node := &call.Server{Registry: new(call.Registry), Peers: new(call.Peers)}
	link := &call.Link{
		Name:   "lab",
		Server: node,
		Import: &call.Import{
			Prefix: "lab",
			Expose: []call.Exposure{{Operations: "lab/math/*", Scope: "lab:use"}},
		},
		Dial: func(context.Context) (core.Connection, *core.AuthContext, error) {
			near, accepted := coretest.Pair(call.ALPN) // a program uses core/dial here
			who := core.NewAuthContext(core.Identity{}, auth.Key{}, call.ALPN, accepted.RemoteAddr(), nil)
			go far.Handle(context.Background(), accepted, who)
			return near, nil, nil
		},
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- link.Run(ctx) }()
	if err := link.Ready(ctx); err != nil {
		fmt.Println(err)
	}

	for _, scope := range []string{"lab:use", "call:**"} {
		granted, _ := auth.ParseScopes([]string{scope})
		alice := node.Local(core.Identity{Name: "alice", Kind: auth.KindPeer, Scopes: granted})
		out, err := call.Call[sum](ctx, alice, "lab/math/add", sumInput{2, 3})
		fmt.Println(out.Sum, err)
	}
	stop()
	fmt.Println(<-stopped)
	// Output:
	// 5 <nil>
	// 0 FORBIDDEN: missing required scope: lab:use
	// <nil>
}
