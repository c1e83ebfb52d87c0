package coretest

import (
	"net"
	"time"

	"github.com/alkdev/alknet/core"
)

// stream is one side's view of a stream of a Pair.
type stream struct {
	conn     *conn
	in, out  *half
	announce func() // shows the stream to the peer; any number of times
}

var _ core.Stream = (*stream)(nil)

func (s *stream) LocalAddr() net.Addr  { return s.conn.local }
func (s *stream) RemoteAddr() net.Addr { return s.conn.remote }

func (s *stream) Read(p []byte) (int, error) { return s.in.read(p) }

func (s *stream) Write(p []byte) (int, error) {
	if len(p) > 0 {
		s.announce()
	}
	return s.out.write(p)
}

// As in QUIC, an end or a cancellation shows a stream as its first byte does.

func (s *stream) CloseWrite() error {
	s.announce()
	return s.out.closeWrite()
}

func (s *stream) CancelRead(code uint64) {
	s.announce()
	s.in.cancelReading(code)
}

func (s *stream) CancelWrite(code uint64) {
	s.announce()
	s.out.cancelWriting(code)
}

func (s *stream) Close() error {
	s.announce()
	err := s.out.closeOrCancel()
	s.in.cancelReading(core.CodeNone)
	return err
}

func (s *stream) SetDeadline(t time.Time) error {
	s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

func (s *stream) SetReadDeadline(t time.Time) error {
	s.in.setReadDeadline(t)
	return nil
}

func (s *stream) SetWriteDeadline(t time.Time) error {
	s.out.setWriteDeadline(t)
	return nil
}
