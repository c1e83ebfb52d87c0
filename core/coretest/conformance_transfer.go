package coretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/alkdev/alknet/core"
)

var transferTests = []conformanceTest{
	{"large transfers in both directions with small reads", testTransfer},
	{"streams are independent", testParallel},
	{"datagrams arrive whole", testDatagrams},
}

var routerTests = []conformanceTest{
	{"data written just before Handle returns all arrives", testLastData},
	{"data written before Linger and Close all arrives", testLinger},
	{"a handler's error is seen by the peer", func(h *harness) {
		testFailure(h, core.CodeForbidden, func() error {
			return fmt.Errorf("look: %w", &core.HandlerError{Code: core.CodeForbidden, Reason: "no"})
		})
	}},
	{"a panic of a handler is seen by the peer", func(h *harness) {
		testFailure(h, core.CodeInternal, func() error { panic("test") })
	}},
	{"a connection that nobody serves is refused", testNoHandler},
}

// testTransfer reads in odd sizes, which leave something in every buffer.
func testTransfer(h *harness) {
	const size = 3<<20 + 17
	c, s := h.pair()
	var work []<-chan error
	for _, end := range []core.Stream{c, s} {
		work = append(work, async(func() error {
			_, err := io.CopyN(end, new(numbers), size)
			return err
		}), async(func() error {
			small, want := make([]byte, 777), make([]byte, 777)
			expected := new(numbers)
			for at := 0; at < size; {
				n, err := end.Read(small[:min(len(small), size-at)])
				expected.Read(want[:n])
				if err != nil || !bytes.Equal(small[:n], want[:n]) {
					return fmt.Errorf("after %d bytes: changed data, or %v", at, err)
				}
				at += n
			}
			return nil
		}))
	}
	for _, done := range work {
		if err := h.wait("the transfer", done); err != nil {
			h.Error(err)
		}
	}
}

// testParallel opens more streams than any limit allows at a time, beside one
// that nobody reads.
func testParallel(h *harness) {
	stuck, _ := h.pair()
	if h.single() {
		h.Skip("this transport carries a single stream")
	}
	blocked := blockedWrite(stuck)
	served := async(func() error { return echo(h.ctx, h.accepted) })
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			s, err := h.dialled.OpenStream(h.ctx)
			if err != nil {
				h.Error("open:", err)
				return
			}
			defer s.Close()
			text := strings.Repeat(fmt.Sprint(i, " "), 100)
			io.WriteString(s, text)
			s.CloseWrite()
			if got, err := io.ReadAll(s); err != nil || string(got) != text {
				h.Errorf("stream %d: read %d bytes, %v", i, len(got), err)
			}
		})
	}
	wg.Wait()
	h.still("Write without a reader", blocked)
	h.dialled.Close(core.CodeNone, "")
	h.wait("Write", blocked)
	h.isClosed("the accept loop", h.wait("the accept loop", served))
}

func testDatagrams(h *harness) {
	d, ok := h.dialled.(core.DatagramConnection)
	a, ok2 := h.accepted.(core.DatagramConnection)
	if ok != ok2 {
		h.Fatal("one side has datagrams and the other has none")
	}
	if !ok {
		h.Skip("this transport has no datagrams")
	}
	if err := d.SendDatagram(make([]byte, 1<<20)); err == nil {
		h.Error("a datagram of 1 MiB was sent")
	}
	// They may be lost: send until one arrives.
	ctx, cancel := context.WithCancel(h.ctx)
	sent := async(func() error {
		for ctx.Err() == nil {
			if err := d.SendDatagram([]byte("datagram")); err != nil {
				return err
			}
		}
		return nil
	})
	b, err := a.ReceiveDatagram(h.ctx)
	cancel()
	if err != nil || string(b) != "datagram" {
		h.Errorf("received %q, %v", b, err)
	}
	if err := h.wait("SendDatagram", sent); err != nil {
		h.Error("SendDatagram:", err)
	}
	if _, err := d.ReceiveDatagram(ctx); !errors.Is(err, context.Canceled) {
		h.Error("ReceiveDatagram with an ended context:", err)
	}
	h.dialled.Close(core.CodeNone, "")
	_, err = d.ReceiveDatagram(h.ctx)
	h.isClosed("ReceiveDatagram", err)
}

// dispatch serves the accepting side through a Router.
func (h *harness) dispatch(handle func(core.Stream) error) <-chan error {
	var r core.Router
	err := r.Register(core.HandlerFunc(h.accepted.ALPN(), func(ctx context.Context, conn core.Connection, _ *core.AuthContext) error {
		s, err := conn.AcceptStream(ctx)
		if err != nil {
			return err
		}
		return handle(s)
	}))
	if err != nil {
		h.Fatal(err)
	}
	return async(func() error { return r.Dispatch(h.ctx, h.accepted, nil) })
}

func (h *harness) request() core.Stream {
	c, err := h.dialled.OpenStream(h.ctx)
	if err != nil {
		h.Fatal(err)
	}
	h.send(c, "request")
	return c
}

func testLastData(h *harness) {
	want := pattern(1 << 20)
	served := h.dispatch(func(s core.Stream) error {
		if _, err := s.Write(want); err != nil { // the request stays unread
			return err
		}
		return s.Close()
	})
	c := h.request()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		h.Errorf("read %d bytes, %v; want %d", len(got), err, len(want))
	}
	c.Close()
	h.dialled.Close(core.CodeNone, "")
	if err := h.wait("Dispatch", served); err != nil {
		h.Error("Dispatch:", err)
	}
}

func testLinger(h *harness) {
	c, s := h.pair()
	want := pattern(1 << 20)
	h.send(c, "unread")
	done := async(func() error {
		if _, err := s.Write(want); err != nil {
			return err
		}
		core.Linger(h.ctx, h.accepted)
		return h.accepted.Close(core.CodeNone, "")
	})
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		h.Errorf("read %d bytes, %v; want %d", n, err, len(want))
	}
	h.dialled.Close(core.CodeNone, "")
	if err := h.wait("Linger", done); err != nil {
		h.Error(err)
	}
}

func testFailure(h *harness, code uint64, fail func() error) {
	served := h.dispatch(func(s core.Stream) error {
		io.WriteString(s, "begun")
		return fail()
	})
	c := h.request()
	err := h.expectCut(c)
	var ce *core.CloseError
	if errors.As(err, &ce) && ce.Err == nil && ce.Code != code {
		h.Errorf("the peer sees %+v; want code %#x", ce, code)
	}
	var he *core.HandlerError
	if err := h.wait("Dispatch", served); !errors.As(err, &he) || he.Code != code {
		h.Errorf("Dispatch: %v", err)
	}
}

func testNoHandler(h *harness) {
	c := h.request()
	var r core.Router
	var he *core.HandlerError
	if err := r.Dispatch(h.ctx, h.accepted, nil); !errors.As(err, &he) || he.Code != core.CodeNoHandler {
		h.Errorf("Dispatch: %v", err)
	}
	h.expectCut(c)
}
