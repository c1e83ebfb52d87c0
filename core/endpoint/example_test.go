package endpoint_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/endpoint"
	"github.com/alkdev/alknet/core/tlsconf"
)

// A node with one service of its own. A vault makes the certificate of a real
// one, and core/dial reaches it.
func ExampleEndpoint() {
	var router core.Router
	router.Register(core.HandlerFunc("example.org/echo", func(ctx context.Context, conn core.Connection, _ *core.AuthContext) error {
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
	}))

	public, key, _ := ed25519.GenerateKey(nil)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, _ := x509.CreateCertificate(rand.Reader, template, template, public, key)

	node := &endpoint.Endpoint{
		Router: &router,
		TLS:    &tlsconf.Server{Node: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}},
	}
	if err := node.Listen("127.0.0.1:0"); err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- node.Serve(context.Background()) }()

	client, err := tls.Dial("tcp", node.Addrs()[0], &tls.Config{NextProtos: []string{"example.org/echo"}, InsecureSkipVerify: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	io.WriteString(client, "hello")
	client.CloseWrite()
	answer, _ := io.ReadAll(client)
	client.Close()
	fmt.Printf("%s\n", answer)

	node.Shutdown(context.Background())
	fmt.Println(<-served)
	// Output:
	// hello
	// server closed
}
