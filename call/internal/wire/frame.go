// Package wire is the form that calls have between two nodes: frames with a
// length, and the JSON envelopes in them (docs/wire/call.md, sections 2 to 4).
package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// MaxFrame is the most bytes that an envelope has on any connection.
const MaxFrame = 64 << 20

const prefix = 4

// firstRead is how much is allocated on a peer's word alone.
const firstRead = 64 << 10

// A FrameError says that a length is out of bounds. Nothing after it can be
// read.
type FrameError struct{ Length, Limit uint32 }

func (e *FrameError) Error() string {
	if e.Length == 0 {
		return "a frame of length 0"
	}
	return fmt.Sprintf("a frame of %d bytes, more than the %d allowed", e.Length, e.Limit)
}

// ReadFrame returns the next envelope, in memory that nothing else refers to.
// The memory grows with what has arrived. At the end of the stream it returns
// io.EOF, also in the middle of a frame.
//
// hold, if not nil, is asked before more than what has arrived and firstRead is
// allocated for a frame, with the number of bytes more, and may refuse.
func ReadFrame(r *bufio.Reader, limit uint32, hold func(bytes int) error) ([]byte, error) {
	head, err := r.Peek(prefix)
	if err != nil {
		return nil, end(err)
	}
	n := binary.BigEndian.Uint32(head)
	if n == 0 || n > limit {
		return nil, &FrameError{Length: n, Limit: limit}
	}
	r.Discard(prefix)
	if int(n) <= r.Size() { // the usual case, without clearing memory first
		body, err := r.Peek(int(n))
		if err != nil {
			return nil, end(err)
		}
		body = append(reused(len(body)), body...)
		r.Discard(int(n))
		return body, nil
	}
	body := make([]byte, min(n, firstRead))
	for have := uint32(0); ; {
		m, err := io.ReadFull(r, body[have:])
		if err != nil {
			return nil, end(err)
		}
		if have += uint32(m); have == n {
			return body, nil
		}
		size := min(n, 2*have)
		if hold != nil {
			if err := hold(int(size) - len(body)); err != nil {
				return nil, err
			}
		}
		grown := make([]byte, size)
		copy(grown, body)
		body = grown
	}
}

func end(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// The memory of frames between keepFrom and keepTo bytes is worth keeping.
const (
	keepFrom = 512
	keepTo   = 64 << 10
)

var frames sync.Pool // of *[]byte

// Recycle gives the memory of a frame back, to which nothing refers any more.
func Recycle(body []byte) {
	if cap(body) >= keepFrom && cap(body) <= keepTo {
		clear(body)
		frames.Put(&body)
	}
}

// reused is empty memory for n bytes, or nil.
func reused(n int) []byte {
	if n < keepFrom {
		return nil
	}
	if b, ok := frames.Get().(*[]byte); ok && cap(*b) >= n {
		return (*b)[:0]
	}
	return nil
}

// begin makes room for a prefix, finish fills it in.
func begin(b []byte) []byte { return append(b, 0, 0, 0, 0) }

func finish(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-prefix))
	return b
}
