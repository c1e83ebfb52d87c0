package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/alkdev/alknet/alknet/node"
	"github.com/alkdev/alknet/call"
)

type Terms struct {
	A int `json:"a"`
	B int `json:"b"`
}

// An operation is a function under a name. Here the node calls its own, over
// its port, as any other node that has the scope call:math/add may.
func Example_operations() {
	base, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(base)
	dir := filepath.Join(base, "data")
	ctx, stop := context.WithCancel(context.Background())
	if _, err := node.Init(ctx, dir, node.InitOptions{}); err != nil {
		panic(err)
	}
	n, err := node.New(ctx, node.Config{
		Dir: dir, Listen: []string{"127.0.0.1:0"}, Logger: slog.New(slog.DiscardHandler),
		Operations: func(r *call.Registry) error {
			return call.Query(r, "math/add", func(ctx context.Context, in Terms) (int, error) {
				return in.A + in.B, nil
			}, call.Describe("Adds two numbers."))
		},
	})
	if err != nil {
		panic(err)
	}
	done := make(chan error)
	go func() { done <- n.Run(ctx) }()

	conn, who, err := n.DialCalls(ctx, n.Target())
	if err != nil {
		panic(err)
	}
	home := call.NewClient(conn, call.WithServer(n.Calls(), who))
	sum, err := call.Call[int](ctx, home, "math/add", Terms{2, 3})
	fmt.Println(sum, err)
	_, err = call.Call[int](ctx, home, "math/add", map[string]string{"a": "2"})
	fmt.Println(call.CodeOf(err))
	home.Close()

	stop()
	fmt.Println(<-done)
	// Output:
	// 5 <nil>
	// INVALID_INPUT
	// <nil>
}
