package coretest

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/alkdev/alknet/core"
)

var halfCloseTests = []conformanceTest{
	{"CloseWrite ends one direction, dialling side first", func(h *harness) { testHalfClose(h, true) }},
	{"CloseWrite ends one direction, accepting side first", func(h *harness) { testHalfClose(h, false) }},
	{"CloseWrite ends writing and may be repeated", testCloseWriteTwice},
	{"CloseWrite beside a Write waits for it", testCloseWriteBesideWrite},
	{"Close of a stream may be repeated", testStreamCloseTwice},
	{"Close of a stream delivers what was written, whatever is unread", testCloseDelivers},
	{"Close of a stream beside Read and Write cuts it", testCloseBesideReadWrite},
}

var deadlineTests = []conformanceTest{
	{"an expired read deadline leaves the stream usable", testReadDeadline},
	{"an expired write deadline ends the stream", testWriteDeadline},
	{"a deadline frees a blocked Read", testDeadlineFrees},
}

func testHalfClose(h *harness, dialled bool) {
	a, b := h.pair()
	if !dialled {
		a, b = b, a
	}
	h.send(a, "request")
	h.halfClose(a)
	h.expect(b, "request")
	h.expectEOF(b)
	h.send(b, "response")
	h.expect(a, "response")
	h.halfClose(b)
	h.expectEOF(a)
	h.expectEOF(a) // the end stays
}

func testCloseWriteTwice(h *harness) {
	c, s := h.pair()
	h.halfClose(c)
	h.halfClose(c)
	if n, err := c.Write([]byte("late")); n != 0 || err == nil {
		h.Errorf("Write after CloseWrite: %d, %v", n, err)
	}
	c.CancelWrite(7) // nothing left to cancel
	h.expectEOF(s)
	h.send(s, "answer")
	h.expect(c, "answer")
}

func testCloseWriteBesideWrite(h *harness) {
	c, s := h.pair()
	const size = 32 << 20
	writing := async(func() error {
		_, err := c.Write(make([]byte, size))
		return err
	})
	if _, err := io.ReadFull(s, make([]byte, 1000)); err != nil {
		h.Fatal(err)
	}
	h.halfClose(c)
	n, err := io.Copy(io.Discard, s)
	if n != size-1000 || err != nil {
		h.Errorf("read %d bytes, %v; want %d", n, err, size-1000)
	}
	if err := h.wait("Write", writing); err != nil {
		h.Error("Write:", err)
	}
}

func testStreamCloseTwice(h *harness) {
	c, s := h.pair()
	h.send(c, "last")
	for range 3 {
		if err := c.Close(); err != nil {
			h.Error("Close:", err)
		}
	}
	h.expect(s, "last")
	h.expectEOF(s)
	if _, err := c.Write([]byte("late")); err == nil {
		h.Error("Write after Close succeeded")
	}
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
		h.Error("Read after Close succeeded")
	}
	if err := s.Close(); err != nil {
		h.Error("Close of the other side:", err)
	}
}

func testCloseDelivers(h *harness) {
	c, s := h.pair()
	unread := blockedWrite(s)
	want := pattern(50_000) // what every transport takes without a reader
	h.send(c, string(want))
	if err := c.Close(); err != nil {
		h.Fatal(err)
	}
	got, err := io.ReadAll(s)
	if err != nil || string(got) != string(want) {
		h.Errorf("read %d bytes, %v; want %d", len(got), err, len(want))
	}
	// The peer's Write fails or goes nowhere; it does not hang.
	h.wait("Write to a stream that nobody reads", unread)
}

func testCloseBesideReadWrite(h *harness) {
	c, s := h.pair()
	reading, writing := blockedRead(c), blockedWrite(c)
	if _, err := io.ReadFull(s, make([]byte, 1000)); err != nil {
		h.Fatal(err)
	}
	h.still("Write without a reader", writing)
	for range 2 {
		if err := c.Close(); err != nil {
			h.Error("Close:", err)
		}
	}
	if err := h.wait("Write", writing); err == nil {
		h.Error("the interrupted Write succeeded")
	}
	if err := h.wait("Read", reading); err == nil {
		h.Error("the interrupted Read succeeded")
	}
	h.expectCut(s)
}

func testReadDeadline(h *harness) {
	c, s := h.pair()
	for _, at := range []time.Time{time.Now().Add(-time.Second), time.Now().Add(moment)} {
		if err := s.SetReadDeadline(at); err != nil {
			h.Fatal(err)
		}
		n, err := s.Read(make([]byte, 1))
		var timeout net.Error
		if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			h.Fatalf("Read: %d, %v", n, err)
		}
	}
	h.send(c, "later")
	if err := s.SetReadDeadline(time.Time{}); err != nil {
		h.Fatal(err)
	}
	h.expect(s, "later")
	h.send(s, "answer")
	h.expect(c, "answer")
}

func testDeadlineFrees(h *harness) {
	c, s := h.pair()
	reading := blockedRead(s)
	if err := s.SetDeadline(time.Now().Add(-time.Second)); err != nil {
		h.Fatal(err)
	}
	if err := h.wait("Read", reading); !errors.Is(err, os.ErrDeadlineExceeded) {
		h.Error("Read:", err)
	}
	if err := s.SetDeadline(time.Time{}); err != nil {
		h.Fatal(err)
	}
	h.send(c, "more")
	h.expect(s, "more")
	h.send(s, "more")
	h.expect(c, "more")
}

func testWriteDeadline(h *harness) {
	c, s := h.pair()
	if err := c.SetWriteDeadline(time.Now().Add(moment)); err != nil {
		h.Fatal(err)
	}
	if err := h.wait("Write", blockedWrite(c)); !errors.Is(err, os.ErrDeadlineExceeded) {
		h.Error("Write:", err)
	}
	c.SetWriteDeadline(time.Time{})
	if _, err := c.Write([]byte("more")); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		h.Error("Write after the deadline ended the stream:", err)
	}
	err := h.expectCut(s)
	var se *core.StreamError
	if errors.As(err, &se) && (se.Code != core.CodeTimeout || !se.Remote) {
		h.Errorf("the peer sees %+v", se)
	}
}
