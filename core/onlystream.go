package core

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// onlyStream is the one stream of a streamConn.
type onlyStream struct {
	conn     *streamConn
	first    [1]byte
	hasFirst bool // owned by the reader

	readCode atomic.Pointer[StreamError] // why nothing is read any more

	mu        sync.Mutex    // protects what follows; never held while blocked
	discarded chan struct{} // closed when the peer's data has ended; made by discard
	writes    int           // Write calls in progress
	fin       bool          // CloseWrite was called; the last Write sends it
	readDone  bool
	writeDone bool
	done      chan struct{} // closed when both are
}

func (s *onlyStream) LocalAddr() net.Addr  { return s.conn.LocalAddr() }
func (s *onlyStream) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

func (s *onlyStream) Read(p []byte) (int, error) {
	if se := s.readCode.Load(); se != nil { // the lock is discard's
		return 0, s.readError(se)
	}
	s.conn.reading.Lock()
	defer s.conn.reading.Unlock()
	if se := s.readCode.Load(); se != nil {
		return 0, s.readError(se)
	}
	if s.hasFirst && len(p) > 0 && s.conn.ctx.Err() == nil {
		s.hasFirst = false
		p[0] = s.first[0]
		return 1, nil
	}
	n, err := s.conn.nc.Read(p)
	if err != nil {
		err = s.readError(err)
	}
	return n, err
}

func (s *onlyStream) readError(err error) error {
	if cause := context.Cause(s.conn.ctx); cause != nil {
		return cause
	}
	if se := s.readCode.Load(); se != nil {
		return se
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if errors.Is(err, io.EOF) && !s.conn.truncated() {
		s.endRead()
		return io.EOF
	}
	return s.conn.lost(err)
}

func (s *onlyStream) Write(p []byte) (int, error) {
	s.mu.Lock()
	if s.fin || s.writeDone {
		s.mu.Unlock()
		if cause := context.Cause(s.conn.ctx); cause != nil {
			return 0, cause
		}
		return 0, &StreamError{Code: CodeNone}
	}
	s.writes++
	s.mu.Unlock()

	s.conn.writing.Lock()
	n, err := s.conn.nc.Write(p)
	s.conn.writing.Unlock()

	if err != nil {
		switch cause := context.Cause(s.conn.ctx); {
		case cause != nil:
			err = cause
		case errors.Is(err, os.ErrDeadlineExceeded):
			// Later errors are no timeouts: nobody shall try again.
			s.conn.drop(&CloseError{Code: CodeTimeout, Reason: "write deadline expired"})
		default:
			s.conn.drop(&CloseError{Err: err})
		}
	}
	s.mu.Lock()
	s.writes--
	last := s.fin && s.writes == 0
	s.mu.Unlock()
	if last {
		s.sendFIN()
	}
	return n, err
}

func (s *onlyStream) CloseWrite() error {
	if _, ok := s.conn.nc.(interface{ CloseWrite() error }); !ok {
		return errors.ErrUnsupported
	}
	s.mu.Lock()
	s.fin = true
	busy := s.writes > 0
	s.mu.Unlock()
	if busy {
		return nil // half-closing beside a Write would make its beginning look complete
	}
	return s.sendFIN()
}

func (s *onlyStream) sendFIN() error {
	if !s.endWrite() || s.conn.ctx.Err() != nil {
		return nil
	}
	err := s.conn.nc.(interface{ CloseWrite() error }).CloseWrite()
	if err != nil {
		s.conn.drop(&CloseError{Err: err})
	}
	return err
}

func (s *onlyStream) Close() error {
	s.mu.Lock()
	busy := s.writes > 0
	s.mu.Unlock()
	if busy {
		// A Write in progress cannot complete the stream any more: cut it.
		s.CancelWrite(CodeNone)
		return nil
	}
	err := s.CloseWrite()
	if errors.Is(err, errors.ErrUnsupported) {
		return s.conn.Close(CodeNone, "")
	}
	s.CancelRead(CodeNone)
	return err
}

func (s *onlyStream) CancelRead(code uint64) {
	s.mu.Lock()
	already := s.readDone
	s.mu.Unlock()
	if already || !s.readCode.CompareAndSwap(nil, &StreamError{Code: code}) {
		return
	}
	s.endRead()
	s.discard()
}

// discard reads and drops what the peer still sends, so that a peer that is
// blocked in a write gets on and close does not turn into a reset that would
// destroy data on its way. It ends with the peer's data or the connection.
func (s *onlyStream) discard() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.discarded != nil {
		return s.discarded
	}
	s.discarded = make(chan struct{})
	s.readCode.CompareAndSwap(nil, &StreamError{Code: CodeNone})
	s.conn.nc.SetReadDeadline(past) // frees a Read in progress
	go func() {
		defer close(s.discarded)
		buf := make([]byte, 4096)
		s.conn.reading.Lock()
		defer s.conn.reading.Unlock()
		for {
			_, err := s.conn.nc.Read(buf)
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded):
				s.conn.nc.SetReadDeadline(time.Time{})
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				s.conn.lost(err)
				return
			}
		}
	}()
	return s.discarded
}

// abandoned reports whether what arrives is dropped.
func (s *onlyStream) abandoned() bool { return s.readCode.Load() != nil }

func (s *onlyStream) CancelWrite(code uint64) {
	s.mu.Lock()
	ended := s.writeDone
	s.mu.Unlock()
	if !ended {
		s.conn.drop(&CloseError{Code: code, Reason: "stream cancelled"})
	}
}

// stop ends both directions and reports whether that interrupts a Write.
func (s *onlyStream) stop() bool {
	s.endRead()
	s.mu.Lock()
	busy := s.writes > 0
	s.mu.Unlock()
	s.endWrite()
	return busy
}

// endRead and endWrite report whether they were the first to end it.
func (s *onlyStream) endRead() bool  { return s.endOne(&s.readDone) }
func (s *onlyStream) endWrite() bool { return s.endOne(&s.writeDone) }

func (s *onlyStream) endOne(which *bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *which {
		return false
	}
	*which = true
	if s.readDone && s.writeDone {
		close(s.done)
	}
	return true
}

func (s *onlyStream) SetDeadline(t time.Time) error {
	if err := s.SetReadDeadline(t); err != nil {
		return err
	}
	return s.SetWriteDeadline(t)
}

func (s *onlyStream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.abandoned() {
		return nil // the deadline is discard's
	}
	return s.conn.nc.SetReadDeadline(t)
}

func (s *onlyStream) SetWriteDeadline(t time.Time) error { return s.conn.nc.SetWriteDeadline(t) }
