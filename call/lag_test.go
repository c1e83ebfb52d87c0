package call_test

import (
	"context"
	"sync"
	"time"

	"github.com/alkdev/alknet/core"
)

// lagging makes everything that one side of a connection does reach the other
// later by d. It is for the bubbles of synctest.
func lagging(conn core.Connection, d time.Duration) core.Connection {
	return &lagConn{Connection: conn, delay: d}
}

type lagConn struct {
	core.Connection
	delay time.Duration
}

func (c *lagConn) OpenStream(ctx context.Context) (core.Stream, error) {
	st, err := c.Connection.OpenStream(ctx)
	if err != nil {
		return nil, err
	}
	return &lagStream{Stream: st, delay: c.delay}, nil
}

func (c *lagConn) AcceptStream(ctx context.Context) (core.Stream, error) {
	st, err := c.Connection.AcceptStream(ctx)
	if err != nil {
		return nil, err
	}
	return &lagStream{Stream: st, delay: c.delay}, nil
}

// lagStream does what changes the stream in order, a delay later.
type lagStream struct {
	core.Stream
	delay time.Duration

	mu      sync.Mutex
	todo    []lagged
	running bool
}

type lagged struct {
	at time.Time
	do func()
}

func (s *lagStream) later(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.todo = append(s.todo, lagged{time.Now().Add(s.delay), do})
	if !s.running {
		s.running = true
		time.AfterFunc(s.delay, s.run)
	}
}

func (s *lagStream) run() {
	for {
		s.mu.Lock()
		if len(s.todo) == 0 {
			s.running = false
			s.mu.Unlock()
			return
		}
		if wait := time.Until(s.todo[0].at); wait > 0 {
			time.AfterFunc(wait, s.run)
			s.mu.Unlock()
			return
		}
		do := s.todo[0].do
		s.todo = s.todo[1:]
		s.mu.Unlock()
		do()
	}
}

func (s *lagStream) Write(b []byte) (int, error) {
	sent := append([]byte(nil), b...)
	s.later(func() { s.Stream.Write(sent) })
	return len(b), nil
}

func (s *lagStream) CloseWrite() error {
	s.later(func() { s.Stream.CloseWrite() })
	return nil
}

func (s *lagStream) CancelWrite(code uint64) { s.later(func() { s.Stream.CancelWrite(code) }) }
func (s *lagStream) CancelRead(code uint64)  { s.later(func() { s.Stream.CancelRead(code) }) }
