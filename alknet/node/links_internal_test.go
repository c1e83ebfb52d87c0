package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"

	"github.com/alkdev/alknet/alknet/internal/addressbook"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/dial"
)

func TestLinkReasonHasNoAddress(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4433}, Err: syscall.ECONNREFUSED}
	for _, test := range []struct {
		err  error
		want string
	}{
		{&dial.UnreachableError{Attempts: []dial.Attempt{{Address: "192.0.2.1:4433", Err: refused}}}, "no answer"},
		{fmt.Errorf("dial 192.0.2.1:4433: %w", context.DeadlineExceeded), "no answer"},
		{fmt.Errorf("192.0.2.1:4433: %w", &core.CloseError{Code: core.CodeForbidden, Remote: true}), "refuses this node"},
		{&core.CloseError{Err: refused}, "connection lost"},
		{&dial.WrongKeyError{}, "another key"},
		{&dial.KeyChangedError{}, "another key"},
		{&dial.UnknownNodeError{}, "its key is not known here"},
		{addressbook.ErrNoNode, "not saved"},
		{errors.New("192.0.2.1:4433: something else"), "not connected"},
	} {
		if got := linkReason(test.err); got != test.want {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
		var told interface{ Reason() string }
		if err := error(&linkError{test.err}); !errors.As(err, &told) || told.Reason() != test.want || err.Error() != test.err.Error() || !errors.Is(err, test.err) {
			t.Errorf("%v is logged as %v", test.err, told)
		}
	}
}
