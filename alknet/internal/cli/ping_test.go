package cli

import (
	"errors"
	"fmt"
	"net"
	"testing"
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
