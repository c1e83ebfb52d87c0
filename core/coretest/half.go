package coretest

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	"github.com/alkdev/alknet/core"
)

// bufferSize is how much one direction of a stream holds before its writer
// waits.
const bufferSize = 64 << 10

// half is one direction of a stream: a ring buffer between a writer and a
// reader. Everything that waits does so on cond, which testing/synctest sees.
type half struct {
	reader, writer context.Context // end with the connection; their causes are the errors
	ended          func()          // called once, without mu, when neither side has business left

	mu      sync.Mutex // protects what follows
	cond    *sync.Cond // told of every change
	ring    []byte
	start   int // of the data in ring
	size    int // of the data in ring
	busy    bool
	writes  int  // Write calls in progress
	closing bool // no further Write; the last one sends fin
	fin     bool // the writer is done
	over    bool // ended has been called

	reset *uint64 // code of the writer's cancellation
	stop  *uint64 // code of the reader's

	readBy, writeBy deadline
}

func newHalf(reader, writer context.Context, ended func()) *half {
	h := &half{reader: reader, writer: writer, ended: ended}
	h.cond = sync.NewCond(&h.mu)
	return h
}

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.unlock()
	for {
		switch {
		case h.stop != nil:
			return 0, &core.StreamError{Code: *h.stop}
		case h.fin && h.size == 0:
			return 0, io.EOF
		case h.reader.Err() != nil:
			return 0, context.Cause(h.reader)
		case h.reset != nil:
			return 0, &core.StreamError{Code: *h.reset, Remote: true}
		case h.readBy.passed:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case h.size > 0:
			return h.take(p), nil
		}
		h.cond.Wait()
	}
}

func (h *half) take(p []byte) int {
	n := copy(p, h.ring[h.start:min(h.start+h.size, len(h.ring))])
	if n < len(p) && n < h.size {
		n += copy(p[n:], h.ring[:h.size-n])
	}
	h.start = (h.start + n) % len(h.ring)
	h.size -= n
	h.cond.Broadcast()
	return n
}

func (h *half) put(p []byte) int {
	if h.ring == nil {
		h.ring = make([]byte, bufferSize)
	}
	n := 0
	for n < len(p) && h.size < len(h.ring) {
		end := (h.start + h.size) % len(h.ring)
		room := min(len(h.ring)-h.size, len(h.ring)-end)
		k := copy(h.ring[end:end+room], p[n:])
		n += k
		h.size += k
	}
	h.cond.Broadcast()
	return n
}

func (h *half) write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.unlock()
	if h.closing {
		return 0, h.whyClosed()
	}
	h.writes++
	n, err := h.writeAll(p)
	h.writes--
	if h.closing && h.writes == 0 && h.reset == nil {
		h.finish()
	}
	return n, err
}

func (h *half) whyClosed() error {
	if err := h.writeError(); err != nil {
		return err
	}
	return &core.StreamError{Code: core.CodeNone}
}

func (h *half) writeError() error {
	switch {
	case h.writer.Err() != nil:
		return context.Cause(h.writer)
	case h.reset != nil:
		return &core.StreamError{Code: *h.reset}
	case h.stop != nil && !h.fin:
		return &core.StreamError{Code: *h.stop, Remote: true}
	}
	return nil
}

// writeAll keeps concurrent writes apart.
func (h *half) writeAll(p []byte) (n int, err error) {
	mine := false
	defer func() {
		if mine {
			h.busy = false
			h.cond.Broadcast()
		}
	}()
	for {
		if err := h.writeError(); err != nil {
			return n, err
		}
		if h.writeBy.passed {
			h.cancelWrite(core.CodeTimeout)
			return n, os.ErrDeadlineExceeded
		}
		if !h.busy {
			h.busy, mine = true, true
		}
		if mine {
			if n += h.put(p[n:]); n == len(p) {
				return n, nil
			}
		}
		h.cond.Wait()
	}
}

// closeWrite ends the direction once the writes in progress are through. It
// reports the code with which the reader gave up before.
func (h *half) closeWrite() error {
	h.mu.Lock()
	defer h.unlock()
	if h.fin || h.closing || h.writer.Err() != nil || h.reset != nil {
		return nil
	}
	if h.stop != nil {
		h.finish()
		if *h.stop != core.CodeNone {
			return &core.StreamError{Code: *h.stop, Remote: true}
		}
		return nil
	}
	h.closing = true
	if h.writes == 0 {
		h.finish()
	}
	return nil
}

func (h *half) finish() {
	h.closing, h.fin = true, true
	h.cond.Broadcast()
}

// closeOrCancel is closeWrite, except that it cuts a Write in progress off.
func (h *half) closeOrCancel() error {
	h.mu.Lock()
	if h.writes > 0 {
		h.cancelWrite(core.CodeNone)
		h.unlock()
		return nil
	}
	h.mu.Unlock()
	return h.closeWrite()
}

func (h *half) cancelWriting(code uint64) {
	h.mu.Lock()
	defer h.unlock()
	h.cancelWrite(code)
}

func (h *half) cancelWrite(code uint64) {
	if h.fin || h.reset != nil || h.stop != nil {
		return
	}
	h.reset, h.closing, h.size = &code, true, 0
	h.cond.Broadcast()
}

func (h *half) cancelReading(code uint64) {
	h.mu.Lock()
	defer h.unlock()
	if h.stop != nil || h.fin && h.size == 0 {
		return
	}
	h.stop, h.size = &code, 0
	h.cond.Broadcast()
}

// unlock releases mu and notices the end of the direction.
func (h *half) unlock() {
	end := !h.over && (h.reset != nil || h.stop != nil || h.fin && h.size == 0)
	if end {
		h.over, h.ring = true, nil
		h.readBy.stop()
		h.writeBy.stop()
	}
	h.mu.Unlock()
	if end && h.ended != nil {
		h.ended()
	}
}

// wake makes everybody look at the connection again, and stops the clocks of
// one that has ended.
func (h *half) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readBy.stop()
	h.writeBy.stop()
	h.cond.Broadcast()
}

func (h *half) setReadDeadline(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readBy.set(h, t)
}

func (h *half) setWriteDeadline(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writeBy.set(h, t)
}

// deadline is protected by the mutex of its half.
type deadline struct {
	timer  *time.Timer
	passed bool
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (d *deadline) set(h *half, t time.Time) {
	d.stop()
	d.passed = false
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.passed = true
		h.cond.Broadcast()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if d.timer == timer { // not set anew meanwhile
			d.passed = true
			h.cond.Broadcast()
		}
	})
	d.timer = timer
}
