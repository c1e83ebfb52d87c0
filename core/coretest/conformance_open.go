package coretest

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/alkdev/alknet/core"
)

var openTests = []conformanceTest{
	{"names and addresses are there from the start", testNames},
	{"one accept loop is right everywhere", testAcceptLoop},
	{"a stream is hidden until its first byte", testHidden},
	{"an abandoned AcceptStream leaves the connection usable", testAbandonedAccept},
	{"AcceptStream may be called concurrently", testConcurrentAccept},
	{"AcceptStream after the only stream waits for its end", testAcceptWaits},
	{"a second stream opens or is unavailable at once", testSecondStream},
	{"an ended context opens and accepts nothing", testEndedContext},
}

func testNames(h *harness) {
	c, s := h.pair()
	if h.dialled.ALPN() == "" || h.dialled.ALPN() != h.accepted.ALPN() {
		h.Errorf("ALPN: %q and %q", h.dialled.ALPN(), h.accepted.ALPN())
	}
	for _, end := range []struct {
		conn   core.Connection
		stream core.Stream
	}{{h.dialled, c}, {h.accepted, s}} {
		if end.conn.LocalAddr() == nil || end.conn.RemoteAddr() == nil {
			h.Error("no address")
		}
		if end.stream.LocalAddr().String() != end.conn.LocalAddr().String() || end.stream.RemoteAddr().String() != end.conn.RemoteAddr().String() {
			h.Error("the stream has other addresses than its connection")
		}
		if err := end.conn.Context().Err(); err != nil {
			h.Error("context:", err)
		}
	}
}

// echo is the accept loop of package core's documentation.
func echo(ctx context.Context, conn core.Connection) error {
	var streams sync.WaitGroup
	defer streams.Wait()
	for {
		s, err := conn.AcceptStream(ctx)
		if err != nil {
			return err
		}
		streams.Go(func() {
			defer s.Close()
			io.Copy(s, s)
		})
	}
}

func testAcceptLoop(h *harness) {
	served := async(func() error { return echo(h.ctx, h.accepted) })
	s, err := h.dialled.OpenStream(h.ctx)
	if err != nil {
		h.Fatal(err)
	}
	h.send(s, "hello")
	h.expect(s, "hello")
	h.halfClose(s)
	h.expectEOF(s)
	s.Close()
	h.dialled.Close(core.CodeNone, "")
	h.isClosed("the accept loop", h.wait("the accept loop", served))
}

func testHidden(h *harness) {
	c, err := h.dialled.OpenStream(h.ctx)
	if err != nil {
		h.Fatal(err)
	}
	accepted := make(chan core.Stream, 1)
	done := async(func() error {
		s, err := h.accepted.AcceptStream(h.ctx)
		accepted <- s
		return err
	})
	h.still("AcceptStream before the first byte", done)
	h.send(c, "first")
	if err := h.wait("AcceptStream", done); err != nil {
		h.Fatal(err)
	}
	s := <-accepted
	h.expect(s, "first")
	h.send(s, "answer")
	h.expect(c, "answer")
}

func testAbandonedAccept(h *harness) {
	for range 3 {
		ctx, cancel := context.WithTimeout(h.ctx, moment)
		_, err := h.accepted.AcceptStream(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			h.Fatal("AcceptStream:", err)
		}
	}
	c, s := h.pair()
	h.send(c, "still here")
	h.expect(s, "still here")
	ctx, cancel := context.WithTimeout(h.ctx, moment)
	defer cancel()
	if _, err := h.accepted.AcceptStream(ctx); !errors.Is(err, context.DeadlineExceeded) {
		h.Fatal("second AcceptStream:", err)
	}
	h.send(s, "and here")
	h.expect(c, "and here")
}

func testConcurrentAccept(h *harness) {
	ctx, cancel := context.WithCancel(h.ctx)
	type result struct {
		s   core.Stream
		err error
	}
	results := make(chan result, 2)
	for _, ctx := range []context.Context{h.ctx, ctx} {
		go func() {
			s, err := h.accepted.AcceptStream(ctx)
			results <- result{s, err}
		}()
	}
	cancel()
	if r := <-results; !errors.Is(r.err, context.Canceled) {
		h.Fatalf("the abandoned AcceptStream: %v", r.err)
	}
	c, err := h.dialled.OpenStream(h.ctx)
	if err != nil {
		h.Fatal(err)
	}
	h.send(c, "x")
	r := <-results
	if r.err != nil {
		h.Fatal("the other AcceptStream:", r.err)
	}
	h.expect(r.s, "x")
}

func testAcceptWaits(h *harness) {
	c, s := h.pair()
	single := h.single()
	next := async(func() error {
		_, err := h.accepted.AcceptStream(h.ctx)
		return err
	})
	h.send(c, "ping")
	h.expect(s, "ping")
	h.halfClose(c)
	h.expectEOF(s)
	h.still("the second AcceptStream, after half of the stream,", next)
	h.send(s, "pong")
	h.expect(c, "pong")
	if err := s.Close(); err != nil {
		h.Fatal(err)
	}
	h.expectEOF(c)
	if !single {
		h.dialled.Close(core.CodeNone, "")
	}
	h.isClosed("the second AcceptStream", h.wait("the second AcceptStream", next))
}

func testSecondStream(h *harness) {
	h.pair()
	second, err := h.dialled.OpenStream(h.ctx)
	if errors.Is(err, core.ErrStreamUnavailable) {
		if _, err := h.accepted.OpenStream(h.ctx); !errors.Is(err, core.ErrStreamUnavailable) {
			h.Error("OpenStream of the accepting side:", err)
		}
		return
	}
	if err != nil {
		h.Fatal(err)
	}
	h.send(second, "second")
	s, err := h.accepted.AcceptStream(h.ctx)
	if err != nil {
		h.Fatal(err)
	}
	h.expect(s, "second")
	back, err := h.accepted.OpenStream(h.ctx)
	if err != nil {
		h.Fatal("OpenStream of the accepting side:", err)
	}
	h.send(back, "back")
	if s, err = h.dialled.AcceptStream(h.ctx); err != nil {
		h.Fatal(err)
	}
	h.expect(s, "back")
}

func testEndedContext(h *harness) {
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	if _, err := h.dialled.OpenStream(ctx); !errors.Is(err, context.Canceled) {
		h.Error("OpenStream:", err)
	}
	if _, err := h.accepted.AcceptStream(ctx); !errors.Is(err, context.Canceled) {
		h.Error("AcceptStream:", err)
	}
	h.pair()
}
