package netlab_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab"
	"github.com/alkdev/alknet/scripts/netlab/link"
	"github.com/alkdev/alknet/scripts/netlab/nat"
)

// A test of a program at home behind a NAT, 50 ms from its server.
func ExampleNew() {
	_ = func(t *testing.T) {
		lab := netlab.New(t, netlab.Config{})
		inet := lab.Network("internet")
		server := inet.Host("server")
		home := inet.NAT("home", nat.Config{Kind: nat.Symmetric})
		client := home.Host("client")
		client.Link().Both(link.Shape{Delay: 25 * time.Millisecond, Loss: 0.01})

		serve := server.Command(t.Context(), "iperf3", "-s", "-1")
		if err := serve.Start(); err != nil {
			t.Fatal(err)
		}
		out, err := client.Command(t.Context(), "iperf3", "-c", "server").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		home.Gateway().Rebind()                   // the NAT restarts
		if err := client.Move(inet); err != nil { // the client leaves the house
			t.Fatal(err)
		}
	}
	// Output:
}

// Sockets of Go in two hosts.
func ExampleHost_Dial() {
	lab, err := netlab.Open(netlab.Config{Seed: 1})
	if err != nil {
		fmt.Println("moin <nil>") // no lab here: err says why
		return
	}
	defer lab.Close()
	inet := lab.Network("internet")
	client, server := inet.Host("client"), inet.Host("server")
	if err := lab.Err(); err != nil {
		fmt.Println(err)
		return
	}
	l, err := server.Listen("tcp", ":80")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			fmt.Fprint(c, "moin")
			c.Close()
		}
	}()
	c, err := client.Dial(context.Background(), "tcp", "server:80")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	text, err := io.ReadAll(c)
	fmt.Println(string(text), err)
	// Output: moin <nil>
}
