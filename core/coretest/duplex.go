package coretest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alkdev/alknet/core"
)

// StreamPair returns the dialling and the accepting side of a connection in
// memory that is a single stream, as TLS over TCP is.
func StreamPair(alpn string, opts ...Option) (client, server core.Connection) {
	o := options{
		client: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 49152},
		serve:  &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 4433},
	}
	for _, opt := range opts {
		opt(&o)
	}
	a, b := newDuplex(o.client, o.serve)
	return core.NewDialedStreamConn(a, alpn), core.NewStreamConn(b, alpn)
}

// duplex is one end of a byte stream that behaves as a TCP connection.
type duplex struct {
	in, out       *half
	local, remote net.Addr
	closed        context.Context
	end           context.CancelCauseFunc
	reset         atomic.Bool
}

var _ net.Conn = (*duplex)(nil)

func newDuplex(client, server net.Addr) (a, b *duplex) {
	a = &duplex{local: client, remote: server}
	b = &duplex{local: server, remote: client}
	for _, d := range []*duplex{a, b} {
		d.closed, d.end = context.WithCancelCause(context.Background())
	}
	a.out, a.in = newHalf(b.closed, a.closed, nil), newHalf(a.closed, b.closed, nil)
	b.out, b.in = a.in, a.out
	return a, b
}

func (d *duplex) LocalAddr() net.Addr  { return d.local }
func (d *duplex) RemoteAddr() net.Addr { return d.remote }

func (d *duplex) Read(p []byte) (int, error) {
	n, err := d.in.read(p)
	return n, d.translate("read", err)
}

func (d *duplex) Write(p []byte) (int, error) {
	n, err := d.out.write(p)
	return n, d.translate("write", err)
}

// translate speaks of the errors as package net does.
func (d *duplex) translate(op string, err error) error {
	var se *core.StreamError
	switch {
	case err == nil || err == io.EOF:
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
	case d.closed.Err() != nil:
		err = net.ErrClosed
	case errors.As(err, &se) && se.Remote && op == "read":
		err = os.NewSyscallError(op, syscall.ECONNRESET)
	default:
		err = os.NewSyscallError(op, syscall.EPIPE)
	}
	return &net.OpError{Op: op, Net: d.local.Network(), Source: d.local, Addr: d.remote, Err: err}
}

func (d *duplex) CloseWrite() error { return d.out.closeWrite() }

// SetLinger is that of a TCPConn: with zero, Close loses what is on its way
// and the peer sees a reset.
func (d *duplex) SetLinger(sec int) error {
	d.reset.Store(sec == 0)
	return nil
}

func (d *duplex) Close() error {
	if d.closed.Err() != nil {
		return net.ErrClosed
	}
	if d.reset.Load() {
		d.out.cancelWriting(core.CodeNone)
	} else {
		d.out.closeOrCancel()
	}
	d.end(net.ErrClosed)
	d.in.cancelReading(core.CodeNone)
	d.in.wake()
	d.out.wake()
	return nil
}

func (d *duplex) SetDeadline(t time.Time) error {
	d.in.setReadDeadline(t)
	d.out.setWriteDeadline(t)
	return nil
}

func (d *duplex) SetReadDeadline(t time.Time) error {
	d.in.setReadDeadline(t)
	return nil
}

func (d *duplex) SetWriteDeadline(t time.Time) error {
	d.out.setWriteDeadline(t)
	return nil
}
