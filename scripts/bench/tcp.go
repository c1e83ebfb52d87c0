package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/dial"
	"github.com/alkdev/alknet/scripts/bench/harness"
)

const tcpBytes = 1 << 30

// bulkTCP has one stream only, and so no warm-up.
func bulkTCP(connect func() (stream, func(), error), up bool) harness.Measure {
	return func(r *harness.Run) (harness.Sample, error) {
		s, stop, err := connect()
		if err != nil {
			return harness.Sample{}, err
		}
		defer stop()
		return r.Throughput(tcpBytes, func(n int64) error {
			if up {
				return pushUp(s, n)
			}
			return pullDown(s, n)
		})
	}
}

// dialNodeTCP returns the stream of a connection to a server of its own.
func dialNodeTCP() (stream, func(), error) {
	addr, stop, err := serveNode(loopback, false)
	if err != nil {
		return nil, nil, err
	}
	conn, err := connector(addr, alpn, false, dial.OnlyTCP)()
	if err != nil {
		stop()
		return nil, nil, err
	}
	s, err := conn.OpenStream(context.Background())
	return s, func() { conn.Close(core.CodeNone, ""); stop() }, err
}

// dialBareTCP is the same on crypto/tls alone.
func dialBareTCP() (stream, func(), error) {
	ln, err := net.Listen("tcp", loopback)
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	settings := faces(alpn).TCP("")
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
		return nil, nil, err
	}
	tc := tls.Client(nc, clientTLS())
	return tc, func() { tc.Close() }, tc.Handshake()
}
