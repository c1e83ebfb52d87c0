package config

import (
	"errors"
	"fmt"
	"time"
)

// Limits bounds what a node admits. A field that is zero takes the default
// named beside it; a negative one is an error. To lift a limit, set it high.
type Limits struct {
	// ConnsPerIP is how many connections that have proved no identity one
	// source prefix may hold at once ([RemotePrefix]; loopback is exempt).
	// It counts after address validation, so that forged sources use up
	// nobody's share. Default 100.
	ConnsPerIP int `toml:"conns_per_ip,omitempty" json:"conns_per_ip,omitempty"`

	// ConnsPerIdentity is how many connections one proved identity may hold
	// at once, wherever they come from. Default 1000.
	ConnsPerIdentity int `toml:"conns_per_identity,omitempty" json:"conns_per_identity,omitempty"`

	// Handshakes is how many handshakes the node has in flight at once, on
	// all transports together. One source prefix gets a sixteenth of them, or
	// 8 if that is more or half of all are taken, and never more than
	// ConnsPerIP. Default 1024.
	Handshakes int `toml:"handshakes,omitempty" json:"handshakes,omitempty"`

	// HandshakeTimeout ends a handshake that takes longer. Default 10 s, at
	// most 5 minutes.
	HandshakeTimeout time.Duration `toml:"handshake_timeout,omitempty" json:"handshake_timeout,omitempty"`

	// RetryAbove is how many handshakes in flight make a QUIC listener demand
	// address validation (RFC 9000 section 8.1.2) of newcomers. Default 64.
	RetryAbove int `toml:"retry_above,omitempty" json:"retry_above,omitempty"`

	// AuthFailures is how many failed attempts to prove an identity one
	// source prefix has within AuthWindow, before it has to wait. Default 5.
	AuthFailures int `toml:"auth_failures,omitempty" json:"auth_failures,omitempty"`

	// AuthWindow is the time that AuthFailures counts over, and how long a
	// source waits at most. Default 1 minute, at most 24 hours.
	AuthWindow time.Duration `toml:"auth_window,omitempty" json:"auth_window,omitempty"`
}

const (
	maxHandshakeTimeout = 5 * time.Minute
	maxAuthWindow       = 24 * time.Hour
)

// WithDefaults returns l with every zero field at its default.
func (l Limits) WithDefaults() Limits {
	orInt := func(field *int, n int) {
		if *field == 0 {
			*field = n
		}
	}
	orTime := func(field *time.Duration, d time.Duration) {
		if *field == 0 {
			*field = d
		}
	}
	orInt(&l.ConnsPerIP, 100)
	orInt(&l.ConnsPerIdentity, 1000)
	orInt(&l.Handshakes, 1024)
	orTime(&l.HandshakeTimeout, 10*time.Second)
	orInt(&l.RetryAbove, 64)
	orInt(&l.AuthFailures, 5)
	orTime(&l.AuthWindow, time.Minute)
	return l
}

// Validate reports the fields that are out of range, by their names in the
// configuration file.
func (l Limits) Validate() error {
	var errs []error
	check := func(name string, n int) {
		if n < 0 {
			errs = append(errs, fmt.Errorf("limits: %s is %d; give a positive number, or leave it out for the default", name, n))
		}
	}
	checkTime := func(name string, d, most time.Duration) {
		if d < 0 || d > most || d > 0 && d < time.Millisecond {
			errs = append(errs, fmt.Errorf("limits: %s is %v; give between 1ms and %v, or leave it out for the default", name, d, most))
		}
	}
	check("conns_per_ip", l.ConnsPerIP)
	check("conns_per_identity", l.ConnsPerIdentity)
	check("handshakes", l.Handshakes)
	checkTime("handshake_timeout", l.HandshakeTimeout, maxHandshakeTimeout)
	check("retry_above", l.RetryAbove)
	check("auth_failures", l.AuthFailures)
	checkTime("auth_window", l.AuthWindow, maxAuthWindow)
	return errors.Join(errs...)
}
