package core_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"github.com/alkdev/alknet/core"
)

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		name    string
		err     error
		text    string
		is      []error
		isNot   []error
		timeout bool
	}{
		{"closed", core.ErrConnectionClosed, "connection closed: use of closed network connection", []error{net.ErrClosed}, nil, false},
		{"closed by the peer", &core.CloseError{Remote: true}, "connection closed by the peer", []error{core.ErrConnectionClosed, net.ErrClosed}, []error{io.EOF}, false},
		{"closed here with a code", &core.CloseError{Code: core.CodeForbidden, Reason: "go away"},
			"connection closed here: go away (code 0x616c6b04)", []error{core.ErrConnectionClosed, net.ErrClosed}, []error{core.ErrForbidden}, false},
		{"cut", &core.CloseError{Remote: true, Err: io.ErrUnexpectedEOF},
			"connection lost: unexpected EOF", []error{core.ErrConnectionClosed, net.ErrClosed, io.ErrUnexpectedEOF}, []error{io.EOF}, false},
		{"silence", &core.CloseError{Err: os.ErrDeadlineExceeded}, "connection lost: i/o timeout", []error{net.ErrClosed, os.ErrDeadlineExceeded}, nil, true},
		{"stream, by the peer", &core.StreamError{Code: 7, Remote: true}, "stream cancelled by the peer (code 0x7)", nil, []error{core.ErrConnectionClosed}, false},
		{"stream, here", &core.StreamError{Code: 7}, "stream cancelled here (code 0x7)", nil, []error{core.ErrConnectionClosed}, false},
		{"handler's", &core.HandlerError{Code: 7, Reason: "no", Err: context.Canceled}, "no: context canceled", []error{context.Canceled}, nil, false},
		{"handler's alone", &core.HandlerError{Code: 7, Reason: "no"}, "no", nil, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := fmt.Errorf("wrapped: %w", tt.err)
			if tt.err.Error() != tt.text {
				t.Errorf("text %q, want %q", tt.err, tt.text)
			}
			for _, target := range tt.is {
				if !errors.Is(err, target) {
					t.Errorf("is not %v", target)
				}
			}
			for _, target := range tt.isNot {
				if errors.Is(err, target) {
					t.Errorf("is %v", target)
				}
			}
			var ce *core.CloseError
			if errors.As(err, &ce) && ce.Timeout() != tt.timeout {
				t.Errorf("Timeout %v", ce.Timeout())
			}
		})
	}
}
