package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/dial"
)

func bulkTCP(up bool) func(bool) (sample, error) {
	return func(alknet bool) (sample, error) {
		if alknet {
			return alknetTCP(up)
		}
		return bareTCP(up)
	}
}

const tcpBytes = 1 << 30

// timeTCP has one stream only, and so no warm-up.
func timeTCP(s stream, up bool) (sample, error) {
	w := startWatch()
	var err error
	if up {
		err = pushUp(s, tcpBytes)
	} else {
		err = pullDown(s, tcpBytes)
	}
	if err != nil {
		return sample{}, err
	}
	wall, cpu := w.stop()
	return sample{Value: tcpBytes / 1e6 / wall.Seconds(), CPU: cpu.Seconds() / (tcpBytes / 1e9)}, nil
}

func alknetTCP(up bool) (sample, error) {
	addr, stop, err := alknetServer(false)
	if err != nil {
		return sample{}, err
	}
	defer stop()
	cert, _ := identity(2)
	_, id := identity(1)
	target, err := dial.ParseTarget(fmt.Sprintf("alknet://%s@%s", id, addr))
	if err != nil {
		return sample{}, err
	}
	d := &dial.Dialer{Certificate: shows(&cert)}
	conn, _, err := d.Dial(context.Background(), dial.Request{Target: target, ALPN: alpn, Via: dial.OnlyTCP})
	if err != nil {
		return sample{}, err
	}
	defer conn.Close(core.CodeNone, "")
	s, err := conn.OpenStream(context.Background())
	if err != nil {
		return sample{}, err
	}
	return timeTCP(s, up)
}

func bareTCP(up bool) (sample, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return sample{}, err
	}
	defer ln.Close()
	settings := faces().TCP("")
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		tc := tls.Server(nc, settings)
		defer tc.Close()
		serveStream(tc)
		io.Copy(io.Discard, tc) // closing with unread data would reset what is on its way
	}()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		return sample{}, err
	}
	tc := tls.Client(nc, clientTLS())
	defer tc.Close()
	if err := tc.Handshake(); err != nil {
		return sample{}, err
	}
	return timeTCP(tc, up)
}
