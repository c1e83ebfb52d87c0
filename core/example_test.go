package core_test

import (
	"context"
	"fmt"
	"io"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/coretest"
)

// A service is a protocol name and a function. This one returns what it gets.
func Example() {
	echo := core.HandlerFunc("example.org/echo", func(ctx context.Context, conn core.Connection, who *core.AuthContext) error {
		for {
			stream, err := conn.AcceptStream(ctx)
			if err != nil {
				return err
			}
			go func() {
				defer stream.Close()
				io.Copy(stream, stream)
			}()
		}
	})
	var router core.Router
	if err := router.Register(echo); err != nil {
		fmt.Println(err)
		return
	}

	client, server := coretest.Pair("example.org/echo")
	served := make(chan error)
	go func() { served <- router.Dispatch(context.Background(), server, nil) }()

	stream, err := client.OpenStream(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	io.WriteString(stream, "hello")
	stream.CloseWrite()
	answer, err := io.ReadAll(stream)
	fmt.Printf("%s, %v\n", answer, err)

	client.Close(core.CodeNone, "")
	fmt.Println(<-served)
	// Output:
	// hello, <nil>
	// <nil>
}

// A multiplexer serves a protocol inside another one. The inner connection
// starts as nobody, whoever the outer one is.
func ExampleRouter_Dispatch() {
	var inner core.Router
	inner.Register(core.HandlerFunc("example.org/inner", func(_ context.Context, _ core.Connection, who *core.AuthContext) error {
		fmt.Println("nobody:", who.Identity.IsZero())
		return core.ErrAuthRequired
	}))
	client, channel := coretest.StreamPair("example.org/inner")
	defer client.Close(core.CodeNone, "")
	fmt.Println(inner.Dispatch(context.Background(), channel, nil))
	// Output:
	// nobody: true
	// authentication required
}
