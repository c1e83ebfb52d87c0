package tlsconf

import (
	"crypto/rand"
	"crypto/tls"
	"sync"
	"time"
)

// Ticket keys live for ticketRotation as the sealing key and for ticketHistory
// more of that for opening, so that a stolen key opens three days at most.
const (
	ticketRotation = 24 * time.Hour
	ticketHistory  = 2
)

// ticketKeys rotates the session ticket keys of the web face's configurations.
// The keys are random: a restart costs clients a full handshake.
type ticketKeys struct {
	configs []*tls.Config

	mu      sync.Mutex // protects what follows
	rotated time.Time
	keys    [][][32]byte // of each config, newest first
}

func (t *ticketKeys) rotate() {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keys != nil && now.Sub(t.rotated) < ticketRotation {
		return
	}
	if now.Sub(t.rotated) >= (ticketHistory+1)*ticketRotation {
		t.keys = make([][][32]byte, len(t.configs))
	}
	t.rotated = now
	for i, c := range t.configs {
		var fresh [32]byte
		rand.Read(fresh[:])
		old := t.keys[i]
		t.keys[i] = append([][32]byte{fresh}, old[:min(len(old), ticketHistory)]...)
		c.SetSessionTicketKeys(t.keys[i])
	}
}
