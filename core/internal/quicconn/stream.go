package quicconn

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core"
)

type stream struct {
	qs *quic.Stream
	qc *quic.Conn

	mu     sync.Mutex // protects what follows; never held while blocked
	writes int        // Write calls in progress
	fin    bool       // CloseWrite was called; the last Write sends the FIN
	ended  bool       // FIN or reset went to quic-go
}

var _ core.Stream = (*stream)(nil)

func (s *stream) LocalAddr() net.Addr  { return s.qc.LocalAddr() }
func (s *stream) RemoteAddr() net.Addr { return s.qc.RemoteAddr() }

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.qs.Read(p)
	if err != nil {
		err = streamError(s.qc, err)
	}
	return n, err
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	if s.fin {
		defer s.mu.Unlock()
		return 0, s.whyEnded()
	}
	s.writes++
	s.mu.Unlock()

	n, err := s.qs.Write(p)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.CancelWrite(core.CodeTimeout)
		}
		err = streamError(s.qc, err)
	}

	s.mu.Lock()
	s.writes--
	if s.fin && s.writes == 0 {
		s.sendFIN()
	}
	s.mu.Unlock()
	return n, err
}

func (s *stream) whyEnded() error {
	if !s.ended {
		return &core.StreamError{Code: core.CodeNone}
	}
	return streamError(s.qc, context.Cause(s.qs.Context()))
}

// sendFIN keeps quic-go's rules: its Close runs neither beside a Write, which
// the end of the connection would then leave blocked, nor after CancelWrite.
func (s *stream) sendFIN() error {
	if s.ended {
		return nil
	}
	s.ended = true
	if s.qs.Close() == nil {
		return nil
	}
	// The peer stopped reading before (RFC 9000, section 3.5).
	err := s.whyEnded()
	var se *core.StreamError
	if errors.As(err, &se) && se.Code == core.CodeNone {
		return nil
	}
	return err
}

func (s *stream) CloseWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fin = true
	if s.writes > 0 {
		return nil
	}
	return s.sendFIN()
}

func (s *stream) CancelWrite(code uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fin = true
	if s.ended {
		return
	}
	s.ended = true
	s.qs.CancelWrite(quic.StreamErrorCode(min(code, maxCode)))
}

func (s *stream) CancelRead(code uint64) {
	s.qs.CancelRead(quic.StreamErrorCode(min(code, maxCode)))
}

func (s *stream) Close() error {
	s.mu.Lock()
	var err error
	s.fin = true
	switch {
	case s.writes == 0:
		err = s.sendFIN()
	case !s.ended:
		// A Write in progress cannot complete the stream any more.
		s.ended = true
		s.qs.CancelWrite(quic.StreamErrorCode(core.CodeNone))
	}
	s.mu.Unlock()
	s.CancelRead(core.CodeNone)
	return err
}

func (s *stream) SetDeadline(t time.Time) error      { return s.qs.SetDeadline(t) }
func (s *stream) SetReadDeadline(t time.Time) error  { return s.qs.SetReadDeadline(t) }
func (s *stream) SetWriteDeadline(t time.Time) error { return s.qs.SetWriteDeadline(t) }
