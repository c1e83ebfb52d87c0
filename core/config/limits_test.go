package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/core/config"
)

func TestLimitsDefaults(t *testing.T) {
	want := config.Limits{
		ConnsPerIP: 100, ConnsPerIdentity: 1000, Handshakes: 1024, HandshakeTimeout: 10 * time.Second,
		RetryAbove: 64, AuthFailures: 5, AuthWindow: time.Minute,
	}
	if got := (config.Limits{}).WithDefaults(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	own := config.Limits{ConnsPerIP: 1, ConnsPerIdentity: 2, Handshakes: 3, HandshakeTimeout: time.Second, RetryAbove: 5, AuthFailures: 6, AuthWindow: time.Hour}
	if got := own.WithDefaults(); got != own {
		t.Errorf("got %+v, want %+v", got, own)
	}
	s := newStore(t, config.Dynamic{Limits: config.Limits{AuthFailures: 9}})
	if l := s.Limits(); l.AuthFailures != 9 || l.Handshakes != 1024 {
		t.Errorf("got %+v", l)
	}
	if d := s.Dynamic(); d.Limits.Handshakes != 0 {
		t.Error("defaults leak into what will be written back")
	}
}

func TestLimitsValidate(t *testing.T) {
	tests := []struct {
		name string
		l    config.Limits
	}{
		{"conns_per_ip", config.Limits{ConnsPerIP: -1}},
		{"conns_per_identity", config.Limits{ConnsPerIdentity: -1}},
		{"handshakes", config.Limits{Handshakes: -1}},
		{"handshake_timeout", config.Limits{HandshakeTimeout: -1}},
		{"handshake_timeout", config.Limits{HandshakeTimeout: time.Hour}},
		{"handshake_timeout", config.Limits{HandshakeTimeout: 10}},
		{"retry_above", config.Limits{RetryAbove: -1}},
		{"auth_failures", config.Limits{AuthFailures: -1}},
		{"auth_window", config.Limits{AuthWindow: 48 * time.Hour}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.l.Validate(); err == nil || !strings.Contains(err.Error(), tt.name) {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := (config.Limits{}).Validate(); err != nil {
		t.Error(err)
	}
}
