package endpoint

import (
	"time"

	"github.com/alkdev/alknet/core"
)

// An EventType says what an [Event] tells.
type EventType string

// The events of a connection, in their order. Attempts come before the opening
// if the handshake made them, and during the connection if its handler did.
const (
	Attempted EventType = "attempt" // somebody tried to prove who they are
	Opened    EventType = "opened"  // the handler starts
	Closed    EventType = "closed"  // the handler has returned
)

// An Event is what [Endpoint.Observe] is told.
type Event struct {
	Type       EventType
	Time       time.Time
	Transport  string // "quic" or "tcp"
	ALPN       string
	RemoteAddr string
	Peer       string // who the connection is known to be of; empty: nobody

	Attempt  core.Attempt  // of Attempted
	Duration time.Duration // of Closed: since the handshake
}

func (l *live) observe(t EventType, a core.Attempt) {
	if l.e.Observe == nil {
		return
	}
	i := l.info()
	ev := Event{Type: t, Time: time.Now(), Transport: i.Transport, ALPN: i.ALPN, RemoteAddr: i.RemoteAddr, Peer: i.Peer, Attempt: a}
	if t == Closed {
		ev.Duration = ev.Time.Sub(i.Since)
	}
	l.e.Observe(ev)
}
