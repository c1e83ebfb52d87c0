package acme_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// forward joins a connection to addr.
func forward(t *testing.T, wait *sync.WaitGroup, client net.Conn, addr string) {
	t.Helper()
	server, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		client.Close()
		return
	}
	for _, c := range []net.Conn{client, server} {
		c.SetDeadline(time.Now().Add(10 * time.Second))
	}
	wait.Go(func() { io.Copy(server, client); server.Close() })
	wait.Go(func() { io.Copy(client, server); client.Close() })
}
