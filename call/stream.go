package call

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/alkdev/alknet/call/internal/wire"
	"github.com/alkdev/alknet/core"
)

const (
	readBuffer     = 1 << 10
	busyReadBuffer = 32 << 10
	busyAfter      = 16 // frames
	// afterAnswer is how long a peer has to end a stream after its last
	// answer, before it is ended from here.
	afterAnswer = 5 * time.Second
)

// A stream carries envelopes in both directions.
type stream struct {
	c      *Client
	st     core.Stream
	out    outlet
	opened bool     // by this end
	own    *pending // the one call or subscription that it was opened for

	mu      sync.Mutex
	live    int  // calls of the other end that are not answered
	readEnd bool // the other end sends no more
	gone    bool
	used    time.Duration // on the connection's clock, when live became 0; 0 if it never did
}

func (c *Client) newStream(st core.Stream, opened bool, own *pending) *stream {
	s := &stream{c: c, st: st, opened: opened, own: own}
	s.out = outlet{st: st, work: c.work, lost: s.unwritten}
	return s
}

// read takes what the other end sends, until it ends.
func (s *stream) read() {
	r := bufio.NewReaderSize(s.st, readBuffer)
	for frames := 0; ; frames++ {
		if frames >= busyAfter && r.Size() < busyReadBuffer && r.Buffered() == 0 {
			r = bufio.NewReaderSize(s.st, busyReadBuffer)
		}
		body, err := wire.ReadFrame(r, uint32(s.c.limits.FrameBytes))
		if err == nil {
			err = s.c.receive(s, body)
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			s.readEnded()
			return
		case errors.Is(err, errFlooded):
			s.c.end(core.CodeLimit, err)
			return
		case isProtocolError(err):
			s.c.log("malformed", err)
			s.lose(err, core.CodeProtocol)
			return
		default:
			s.lose(err, core.CodeNone)
			return
		}
	}
}

func isProtocolError(err error) bool {
	var frame *wire.FrameError
	var bad *malformedError
	return errors.As(err, &frame) || errors.As(err, &bad)
}

// A malformedError is a frame that is no envelope.
type malformedError struct{ err error }

func (e *malformedError) Error() string { return fmt.Sprintf("malformed frame: %v", e.err) }
func (e *malformedError) Unwrap() error { return e.err }

// begin counts a call of the other end; answered ends it.
func (s *stream) begin() {
	s.mu.Lock()
	s.live++
	s.mu.Unlock()
}

func (s *stream) answered() {
	s.mu.Lock()
	s.live--
	done := s.live == 0 && s.readEnd
	if s.live == 0 {
		s.used = s.c.clock()
	}
	s.mu.Unlock()
	if done {
		s.finish()
	}
}

func (s *stream) readEnded() {
	s.mu.Lock()
	s.readEnd = true
	done := s.live == 0
	s.mu.Unlock()
	s.c.unanswered(s, errNoAnswer)
	if done {
		s.finish()
		return
	}
	if s.c.isOnly(s) {
		s.c.launch(s.c.abortUnheard)
	}
}

// unwritten is told of a failed write. If all of the request of an own stream
// was written, the other end may still answer, and its end tells.
func (s *stream) unwritten(err error) {
	if s.own == nil {
		s.lose(err, core.CodeNone)
	}
}

// finish ends a stream on which nothing more will be sent.
func (s *stream) finish() {
	s.out.end()
	s.c.forget(s)
}

// idleBefore reports that the stream has had nothing to do since then.
func (s *stream) idleBefore(then time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live == 0 && !s.readEnd && s.used > 0 && s.used < then
}

// lose drops both directions, and all that depends on them.
func (s *stream) lose(err error, code uint64) {
	s.mu.Lock()
	gone := s.gone
	s.gone = true
	s.mu.Unlock()
	if gone {
		return
	}
	s.out.fail(err)
	s.st.CancelWrite(code)
	s.st.CancelRead(code)
	s.c.forget(s)
	s.c.abortFrom(s)
	s.c.unanswered(s, err)
}

func (s *stream) lastUse() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}
