package core

import (
	"context"
	"net"
	"testing"
	"time"
)

// lastMoment is a stream whose first byte arrives in the moment that the
// waiting is given up.
type lastMoment struct {
	net.Conn
	giveUp context.CancelFunc
	past   chan struct{}
}

func (c *lastMoment) Read(p []byte) (int, error) {
	c.giveUp()
	<-c.past
	p[0] = 'x'
	return 1, nil
}

func (c *lastMoment) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		close(c.past)
	}
	return nil
}

func TestAcceptStreamKeepsAByteThatComesAsTheContextEnds(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	ctx, cancel := context.WithCancel(t.Context())
	conn := NewStreamConn(&lastMoment{near, cancel, make(chan struct{})}, "x")
	s, err := conn.AcceptStream(ctx)
	if err != nil {
		t.Fatalf("the byte is lost: %v", err)
	}
	var b [1]byte
	if n, err := s.Read(b[:]); n != 1 || b[0] != 'x' {
		t.Fatalf("read %d %q %v", n, b, err)
	}
}
