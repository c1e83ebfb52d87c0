package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/alkdev/alknet/core/dial"
)

var (
	// racing dials as alknet does: QUIC, and TLS over TCP a little behind it.
	racing = end{"racing", node.serve, nodeDialer(false, dial.Auto)}
	// nodeTCP is what alknet takes for bulk where both transports pass.
	nodeTCP  = end{"node-tcp", node.serve, nodeDialer(false, dial.OnlyTCP)}
	tcp      = end{"tcp", serveTCP(""), dialTCP}
	tcpCubic = end{"tcp-cubic", serveTCP("cubic"), dialTCP}
	tcpBBR   = end{"tcp-bbr", serveTCP("bbr"), dialTCP}
)

func serveTCP(congestion string) func(string) (string, func(), error) {
	return func(listen string) (string, func(), error) {
		ln, err := listenTCP(listen, congestion)
		if err != nil {
			return "", nil, err
		}
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					serveStream(c.(*net.TCPConn))
				}()
			}
		}()
		return ln.Addr().String(), func() { ln.Close() }, nil
	}
}

func dialTCP(addr string) func() (client, error) {
	return func() (client, error) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return client{}, err
		}
		return client{open: func() (stream, error) { return c.(*net.TCPConn), nil }, close: func() { c.Close() }}, nil
	}
}

// serveEnd is a helper: it serves until it is killed.
func serveEnd(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: serve END ADDR")
	}
	e, err := endNamed(args[0])
	if err != nil {
		return err
	}
	addr, _, err := e.serve(args[1])
	if err != nil {
		return err
	}
	fmt.Println(addr)
	select {}
}

// dialEnd is a helper: it connects again and again, and prints the milliseconds
// that each connection took until a byte had come back.
func dialEnd(args []string) error {
	e, n, err := parseClient(args)
	if err != nil {
		return err
	}
	dial := e.dialer(args[1])
	times := make([]float64, n)
	for i := range times {
		began := time.Now()
		c, err := dial()
		if err != nil {
			return err
		}
		s, err := c.open()
		if err != nil {
			return err
		}
		if err := echoOnce(s, []byte("x")); err != nil {
			return err
		}
		times[i] = time.Since(began).Seconds() * 1e3
		c.close()
	}
	return json.NewEncoder(os.Stdout).Encode(times)
}

// bulkEnd is a helper: it prints the seconds that a transfer from the server took,
// without the connection.
func bulkEnd(args []string) error {
	e, n, err := parseClient(args)
	if err != nil {
		return err
	}
	c, err := e.dialer(args[1])()
	if err != nil {
		return err
	}
	defer c.close()
	s, err := c.open()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := pullDown(s, int64(n)); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(time.Since(began).Seconds())
}

func parseClient(args []string) (e end, n int, err error) {
	if len(args) != 3 {
		return e, 0, errors.New("usage: dial|bulk END ADDR NUMBER")
	}
	if e, err = endNamed(args[0]); err != nil {
		return e, 0, err
	}
	n, err = strconv.Atoi(args[2])
	return e, n, err
}

// complaint adds what a program wrote to standard error.
func complaint(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr[max(0, len(exit.Stderr)-1024):])))
	}
	return err
}
