package call

import (
	"errors"
	"net"
	"syscall"

	"github.com/alkdev/alknet/core"
)

// reason is err in words that name no address.
func reason(err error) string {
	var (
		told    interface{ Reason() string }
		end     *core.CloseError
		number  syscall.Errno
		lookup  *net.DNSError
		timeout interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &told):
		return told.Reason()
	case errors.As(err, &end) && end.Err == nil:
		return end.Error()
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer"
	case errors.As(err, &lookup):
		return "the name was not found"
	case errors.As(err, &number):
		return number.Error()
	case end != nil:
		return "connection lost"
	}
	return "not reached"
}
