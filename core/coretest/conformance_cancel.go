package coretest

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/alkdev/alknet/core"
)

var cancelTests = []conformanceTest{
	{"CancelWrite never reads as the end", testCancelWrite},
	{"CancelWrite frees a blocked Write", testCancelWriteFrees},
	{"CancelRead frees a blocked Read and ends reading", testCancelRead},
	{"CancelRead beside Read and SetReadDeadline", testCancelReadRace},
	{"the peer's Write gets on after CancelRead", testCancelReadPeer},
	{"CancelRead leaves the other direction alone", testCancelReadOneWay},
}

var closeTests = []conformanceTest{
	{"Close with a code is seen and never as the end", testCloseCode},
	{"Close with a code after data is never the end", testCloseCodeAfterData},
	{"Close ends everything that waits", testCloseFrees},
	{"Close without a code beside a Write cuts it", testCloseNoneBesideWrite},
	{"Close without a code ends the peer's stream", testCloseNone},
	{"Close may be repeated and the first counts", testCloseTwice},
}

func isClosed(err error) bool {
	return errors.Is(err, core.ErrConnectionClosed) && errors.Is(err, net.ErrClosed)
}

func testCancelWrite(h *harness) {
	c, s := h.pair()
	single := h.single()
	h.send(c, "begun")
	c.CancelWrite(7)
	c.CancelWrite(8)
	err := h.expectCut(s)
	var se *core.StreamError
	if !single && (!errors.As(err, &se) || se.Code != 7 || !se.Remote) {
		h.Errorf("the peer sees %v; want code 7 from the peer", err)
	}
	_, err = c.Write([]byte("more"))
	if !single && (!errors.As(err, &se) || se.Code != 7 || se.Remote) || err == nil {
		h.Errorf("Write after CancelWrite: %v", err)
	}
	if !single {
		h.send(s, "other direction")
		h.expect(c, "other direction")
	}
}

func testCancelWriteFrees(h *harness) {
	c, s := h.pair()
	writing := blockedWrite(c)
	if _, err := io.ReadFull(s, make([]byte, 1000)); err != nil {
		h.Fatal(err)
	}
	c.CancelWrite(7)
	if err := h.wait("Write", writing); err == nil {
		h.Error("the cancelled Write succeeded")
	}
	h.expectCut(s)
}

func testCancelRead(h *harness) {
	c, _ := h.pair()
	reading := blockedRead(c)
	c.CancelRead(7)
	c.CancelRead(8)
	check := func(err error) {
		h.Helper()
		var se *core.StreamError
		if !errors.As(err, &se) || se.Code != 7 || se.Remote {
			h.Errorf("Read: %v; want code 7 from here", err)
		}
	}
	check(h.wait("Read", reading))
	c.SetReadDeadline(time.Now().Add(-time.Second))
	c.SetReadDeadline(time.Time{})
	check(h.wait("Read", blockedRead(c)))
}

func testCancelReadRace(h *harness) {
	c, _ := h.pair()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				c.SetReadDeadline(time.Time{})
			}
		})
	}
	reading := blockedRead(c)
	wg.Go(func() { c.CancelRead(7) })
	if err := h.wait("Read", reading); err == nil {
		h.Error("the cancelled Read succeeded")
	}
	wg.Wait()
}

func testCancelReadPeer(h *harness) {
	c, s := h.pair()
	single := h.single()
	writing := blockedWrite(s)
	h.still("Write without a reader", writing)
	c.CancelRead(7)
	err := h.wait("Write", writing)
	var se *core.StreamError
	if !single && (!errors.As(err, &se) || se.Code != 7 || !se.Remote) {
		h.Errorf("Write: %v; want code 7 from the peer", err)
	}
	if single && err != nil {
		h.Errorf("Write: %v; it should go nowhere", err)
	}
}

func testCancelReadOneWay(h *harness) {
	c, s := h.pair()
	c.CancelRead(7)
	h.send(c, "the other way")
	h.expect(s, "the other way")
	h.halfClose(c)
	h.expectEOF(s)
}

// seesClose checks what the side that did not close sees.
func (h *harness) seesClose(single bool, code uint64, reason string, err error) {
	h.Helper()
	var ce *core.CloseError
	switch {
	case single && h.cannotCut:
	case !isClosed(err) || !errors.As(err, &ce):
		h.Errorf("the peer sees %v; want a core.CloseError", err)
	case !single && (ce.Code != code || ce.Reason != reason || !ce.Remote || ce.Err != nil):
		h.Errorf("the peer sees %+v; want code %#x, %q", ce, code, reason)
	}
}

func testCloseCode(h *harness) {
	c, s := h.pair()
	single := h.single()
	reading, accepting := blockedRead(s), async(func() error {
		_, err := h.accepted.AcceptStream(h.ctx)
		return err
	})
	if err := h.dialled.Close(core.CodeForbidden, "go away"); err != nil {
		h.Error("Close:", err)
	}
	err := h.wait("Read of the peer", reading)
	if errors.Is(err, io.EOF) && !h.cannotCut {
		h.Error("the peer sees io.EOF")
	}
	h.seesClose(single, core.CodeForbidden, "go away", err)
	if !single || !h.cannotCut {
		h.seesClose(single, core.CodeForbidden, "go away", h.wait("AcceptStream of the peer", accepting))
		<-h.accepted.Context().Done()
		_, err = s.Write([]byte("late"))
		h.isClosed("Write of the peer", err)
	} else {
		h.accepted.Close(core.CodeNone, "")
	}

	<-h.dialled.Context().Done()
	for what, err := range map[string]error{
		"Read":         second(c.Read(make([]byte, 1))),
		"Write":        second(c.Write([]byte("late"))),
		"OpenStream":   second(h.dialled.OpenStream(h.ctx)),
		"AcceptStream": second(h.dialled.AcceptStream(h.ctx)),
	} {
		var ce *core.CloseError
		if !isClosed(err) || !errors.As(err, &ce) || ce.Remote || ce.Code != core.CodeForbidden {
			h.Errorf("%s after Close: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func testCloseCodeAfterData(h *harness) {
	c, s := h.pair()
	h.send(s, "unread")
	h.send(c, "begun")
	h.dialled.Close(core.CodeInternal, "failed")
	err := h.expectCut(s)
	if err != nil {
		h.isClosed("Read", err)
	}
}

func testCloseFrees(h *harness) {
	c, s := h.pair()
	waiting := map[string]<-chan error{
		"Read":  blockedRead(c),
		"Write": blockedWrite(c),
		"AcceptStream": async(func() error {
			_, err := h.dialled.AcceptStream(h.ctx)
			return err
		}),
	}
	if _, err := io.ReadFull(s, make([]byte, 1000)); err != nil {
		h.Fatal(err)
	}
	h.dialled.Close(core.CodeShutdown, "stop")
	for what, done := range waiting {
		h.isClosed(what, h.wait(what, done))
	}
}

func testCloseNoneBesideWrite(h *harness) {
	c, s := h.pair()
	writing := blockedWrite(c)
	if _, err := io.ReadFull(s, make([]byte, 1000)); err != nil {
		h.Fatal(err)
	}
	h.still("Write without a reader", writing)
	h.dialled.Close(core.CodeNone, "")
	h.isClosed("Write", h.wait("Write", writing))
	h.expectCut(s)
}

func testCloseNone(h *harness) {
	_, s := h.pair()
	reading := blockedRead(s)
	h.dialled.Close(core.CodeNone, "")
	if err := h.wait("Read of the peer", reading); err != io.EOF && !isClosed(err) {
		h.Errorf("the peer sees %v", err)
	}
}

func testCloseTwice(h *harness) {
	h.pair()
	var wg sync.WaitGroup
	h.dialled.Close(core.CodeForbidden, "first")
	for range 4 {
		wg.Go(func() {
			if err := h.dialled.Close(core.CodeNone, "second"); err != nil {
				h.Error("Close:", err)
			}
		})
	}
	wg.Wait()
	var ce *core.CloseError
	if _, err := h.dialled.OpenStream(h.ctx); !errors.As(err, &ce) || ce.Code != core.CodeForbidden || ce.Reason != "first" {
		h.Errorf("OpenStream: %v", err)
	}
}
