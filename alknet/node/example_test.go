package node_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/alkdev/alknet/alknet/node"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/dial"
)

// A third-party service is a protocol name and a function; the node brings the
// port, the key, QUIC and TLS.
func Example() {
	echo := core.HandlerFunc("example.org/echo", func(ctx context.Context, conn core.Connection, who *core.AuthContext) error {
		stream, err := conn.AcceptStream(ctx)
		if err != nil {
			return err
		}
		defer stream.Close()
		_, err = io.Copy(stream, stream)
		return err
	})
	base, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(base)
	dir := filepath.Join(base, "data")
	ctx, stop := context.WithCancel(context.Background())
	if _, err := node.Init(ctx, dir, node.InitOptions{}); err != nil {
		panic(err)
	}
	n, err := node.New(ctx, node.Config{
		Dir:      dir,
		Listen:   []string{"127.0.0.1:0"},
		Handlers: []core.ProtocolHandler{echo},
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	done := make(chan error)
	go func() { done <- n.Run(ctx) }()

	conn, _, err := n.Dial(ctx, n.Target(), "example.org/echo", dial.Interactive)
	if err != nil {
		panic(err)
	}
	stream, _ := conn.OpenStream(ctx)
	io.WriteString(stream, "hello")
	stream.CloseWrite()
	answer, _ := io.ReadAll(stream)
	fmt.Printf("%s, over %s\n", answer, conn.RemoteAddr().Network())
	conn.Close(core.CodeNone, "")

	stop()
	fmt.Println(<-done)
	// Output:
	// hello, over udp
	// <nil>
}
