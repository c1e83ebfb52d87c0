package coretest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/alkdev/alknet/core"
)

// A Limit is something that a transport cannot do and the contract lets it.
type Limit int

const (
	// CannotCut is for transports on which a stream that was cut off looks to
	// the peer like one that ended, as on Unix sockets.
	CannotCut Limit = iota + 1
)

// TestConnection runs the contract of core.Connection and core.Stream against a
// transport. connect returns both ends of a new connection; the suite closes
// them, and finds out itself whether there are many streams or one.
//
// The suite is for real transports as well as those in memory. It never sleeps
// and asserts no durations; what hangs is ended, and fails, after half a minute.
func TestConnection(t *testing.T, connect func(t *testing.T) (dialled, accepted core.Connection), limits ...Limit) {
	for _, group := range [][]conformanceTest{openTests, halfCloseTests, deadlineTests, cancelTests, closeTests, transferTests, routerTests} {
		for _, test := range group {
			t.Run(test.name, func(t *testing.T) {
				h := newHarness(t, connect)
				for _, l := range limits {
					h.cannotCut = h.cannotCut || l == CannotCut
				}
				test.run(h)
			})
		}
	}
}

type conformanceTest struct {
	name string
	run  func(h *harness)
}

const patience = 30 * time.Second

// moment is how long a test waits for what must not happen. A slow machine
// makes such a test see less, but never fail.
const moment = 20 * time.Millisecond

// harness is one connection under test.
type harness struct {
	*testing.T
	ctx               context.Context
	dialled, accepted core.Connection
	cannotCut         bool
}

func newHarness(t *testing.T, connect func(t *testing.T) (dialled, accepted core.Connection)) *harness {
	t.Helper()
	d, a := connect(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		t.Error("this took too long: ending the connection")
		d.Close(core.CodeTimeout, "test")
		a.Close(core.CodeTimeout, "test")
	})
	t.Cleanup(func() {
		if !stop() {
			<-ended
		}
		cancel()
		d.Close(core.CodeNone, "")
		a.Close(core.CodeNone, "")
	})
	return &harness{T: t, ctx: ctx, dialled: d, accepted: a}
}

// pair opens a stream and accepts it; both sides have seen its first byte.
func (h *harness) pair() (client, server core.Stream) {
	h.Helper()
	client, err := h.dialled.OpenStream(h.ctx)
	if err != nil {
		h.Fatal("open:", err)
	}
	if _, err := client.Write([]byte{'x'}); err != nil {
		h.Fatal("first byte:", err)
	}
	server, err = h.accepted.AcceptStream(h.ctx)
	if err != nil {
		h.Fatal("accept:", err)
	}
	h.expect(server, "x")
	return client, server
}

// single reports whether the connection carries one stream only; call it after
// pair.
func (h *harness) single() bool {
	_, err := h.dialled.OpenStream(h.ctx)
	return errors.Is(err, core.ErrStreamUnavailable)
}

func (h *harness) send(s core.Stream, text string) {
	h.Helper()
	if n, err := io.WriteString(s, text); n != len(text) || err != nil {
		h.Fatalf("write %.20q: %d of %d, %v", text, n, len(text), err)
	}
}

func (h *harness) expect(s core.Stream, text string) {
	h.Helper()
	got := make([]byte, len(text))
	if n, err := io.ReadFull(s, got); err != nil || string(got) != text {
		h.Fatalf("read %.20q, %v; want %.20q", got[:n], err, text)
	}
}

func (h *harness) expectEOF(s core.Stream) {
	h.Helper()
	if rest, err := io.ReadAll(s); err != nil || len(rest) > 0 {
		h.Fatalf("read %d bytes, %v; want the end of the stream", len(rest), err)
	}
}

// expectCut reads to an error that must not be io.EOF, and returns it.
func (h *harness) expectCut(s core.Stream) error {
	h.Helper()
	_, err := io.Copy(io.Discard, s)
	if err == nil && !h.cannotCut {
		h.Fatal("a stream that was cut off read as complete")
	}
	return err
}

// halfClose ends the sending direction, or the test where that is impossible.
func (h *harness) halfClose(s core.Stream) {
	h.Helper()
	err := s.CloseWrite()
	if errors.Is(err, errors.ErrUnsupported) {
		h.Skip("this transport has no half-close")
	}
	if err != nil {
		h.Fatal("CloseWrite:", err)
	}
}

// async runs f and delivers its error once.
func async(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

func blockedRead(s core.Stream) <-chan error {
	return async(func() error {
		_, err := s.Read(make([]byte, 1))
		return err
	})
}

// blockedWrite writes more than any transport takes without a reader.
func blockedWrite(s core.Stream) <-chan error {
	return async(func() error {
		chunk := make([]byte, 1<<20)
		for range 256 {
			if _, err := s.Write(chunk); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h *harness) wait(what string, done <-chan error) error {
	h.Helper()
	select {
	case err := <-done:
		return err
	case <-h.ctx.Done():
		h.Fatal(what, "did not return")
		return nil
	}
}

// still fails if done has something already.
func (h *harness) still(what string, done <-chan error) {
	h.Helper()
	t := time.NewTimer(moment)
	defer t.Stop()
	select {
	case err := <-done:
		h.Fatalf("%s returned %v; it should still wait", what, err)
	case <-t.C:
	}
}

func (h *harness) isClosed(what string, err error) {
	h.Helper()
	if !isClosed(err) {
		h.Errorf("%s: %v; want a core.ErrConnectionClosed", what, err)
	}
}

// numbers is an endless reader of bytes that depend on their place.
type numbers int

func (p *numbers) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte((int(*p) + i) % 251)
	}
	*p += numbers(len(b))
	return len(b), nil
}

func pattern(n int) []byte {
	b := new(bytes.Buffer)
	io.CopyN(b, new(numbers), int64(n))
	return b.Bytes()
}
