package call

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
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
	ownDone bool // own has its answer
	ending  bool // nothing further is begun, since no answer could be sent
	gone    bool
	held    int           // bytes of the frame that is being read; of read alone
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
		body, err := wire.ReadFrame(r, uint32(s.c.limits.FrameBytes), s.hold)
		s.unhold()
		if err == nil {
			err = s.c.receive(s, body)
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			s.readEnded()
			return
		case errors.Is(err, os.ErrDeadlineExceeded): // of release
			s.st.CancelRead(core.CodeNone)
			s.readEnded()
			return
		case errors.Is(err, errGone):
			return
		case errors.Is(err, errHoard):
			s.lose(err, core.CodeLimit)
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

var (
	errGone  = errors.New("the stream is lost")
	errEnded = errors.New("the stream is ended")
	errHoard = errors.New("too many bytes of frames that are not complete")
)

// hold counts what a frame that has not arrived takes.
func (s *stream) hold(bytes int) error {
	if s.c.held.Add(int64(bytes)) > s.c.holdLimit() {
		s.c.held.Add(-int64(bytes))
		return errHoard
	}
	s.held += bytes
	return nil
}

func (s *stream) unhold() {
	if s.held > 0 {
		s.c.held.Add(-int64(s.held))
		s.held = 0
	}
}

// begin counts a call of the other end, unless it could not be answered here;
// answered ends it.
func (s *stream) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.gone:
		return errGone
	case s.ending:
		return errEnded
	}
	s.live++
	return nil
}

// release ends a stream whose one call has its answer, once nothing of the
// other end's runs on it.
func (s *stream) release() {
	s.mu.Lock()
	s.ownDone = true
	done := s.live == 0 && !s.ending
	s.ending = s.ending || done
	s.mu.Unlock()
	s.st.SetReadDeadline(time.Now().Add(afterAnswer))
	if done {
		s.out.end()
	}
}

// retire ends a stream that has been idle since then.
func (s *stream) retire(then time.Duration) bool {
	s.mu.Lock()
	idle := s.isIdle(then)
	s.ending = s.ending || idle
	s.mu.Unlock()
	if idle {
		s.out.end()
		s.st.CancelRead(core.CodeNone)
	}
	return idle
}

// readable reports whether answers can still come on the stream.
func (s *stream) readable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.readEnd && !s.gone
}

func (s *stream) answered() {
	s.mu.Lock()
	s.live--
	done := s.live == 0 && (s.readEnd || s.ownDone)
	s.ending = s.ending || done
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
	s.ending = s.ending || done
	s.mu.Unlock()
	only := s.c.isOnly(s)
	s.c.noLane(s)
	s.c.unanswered(s, errNoAnswer)
	if done {
		s.finish()
		return
	}
	if only {
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
	return s.isIdle(then)
}

func (s *stream) isIdle(then time.Duration) bool {
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
