package cli

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/alkdev/alknet/core/dial"
)

// ping repeats what may pass, and not a name that nobody knows.
func TestNoSuchName(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"unknown name", fmt.Errorf("dial: %w", &net.DNSError{IsNotFound: true}), true},
		{"name server silent", fmt.Errorf("dial: %w", &net.DNSError{IsTimeout: true}), false},
		{"refused", fmt.Errorf("dial: %w", errors.New("connection refused")), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := noSuchName(tt.err); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// ping asks for a protocol by a transport that has answered, or not at all.
func TestWay(t *testing.T) {
	tests := []struct {
		name    string
		via     dial.Via
		last    dial.Info
		alpn    string
		want    dial.Via
		nowhere bool
	}{
		{"node protocol", dial.Auto, dial.Info{}, "alknet/ssh", dial.Auto, false},
		{"HTTP/3", dial.Auto, dial.Info{}, "h3", dial.OnlyQUIC, false},
		{"HTTP/2", dial.Auto, dial.Info{}, "h2", dial.OnlyTCP, false},
		{"node protocol without UDP", dial.Auto, dial.Info{UDPBlocked: true}, "alknet/ssh", dial.OnlyTCP, false},
		{"HTTP/3 without UDP", dial.Auto, dial.Info{UDPBlocked: true}, "h3", 0, true},
		{"HTTP/2 without UDP", dial.Auto, dial.Info{UDPBlocked: true}, "h2", dial.OnlyTCP, false},
		{"HTTP/2 without TCP", dial.Auto, dial.Info{TCPBlocked: true}, "h2", 0, true},
		{"HTTP/3 over TCP alone", dial.OnlyTCP, dial.Info{}, "h3", 0, true},
		{"HTTP/2 over QUIC alone", dial.OnlyQUIC, dial.Info{}, "h2", 0, true},
		{"node protocol over QUIC alone", dial.OnlyQUIC, dial.Info{}, "alknet/ssh", dial.OnlyQUIC, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := pinger{client: &client{via: tt.via}, last: tt.last}
			via, ok := p.way(tt.alpn)
			if ok == tt.nowhere || ok && via != tt.want {
				t.Errorf("%v, %v, want %v, %v", via, ok, tt.want, !tt.nowhere)
			}
		})
	}
}
