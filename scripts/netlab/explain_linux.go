package netlab

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// explain turns what the kernel answers into ErrUnsupported and advice, where a
// system lacks what a lab needs.
func explain(err error) error {
	device := false
	if path, ok := errors.AsType[*os.PathError](err); ok {
		device = path.Path == tunPath
	}
	var advice string
	switch {
	case device && errors.Is(err, unix.EACCES):
		advice = "let this user open the device (chmod 0666 /dev/net/tun), or run as root"
	case device && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EPERM)):
		advice = "load the kernel module tun, or give the container the device (docker run --device /dev/net/tun)"
	case errors.Is(err, unix.EPERM):
		advice = "run as root (in a container: with CAP_SYS_ADMIN and CAP_NET_ADMIN), or let netlab.Main or the command make a user namespace"
	case errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSPC):
		advice = "the kernel must offer network namespaces, and not too many may exist (sysctl user.max_net_namespaces)"
	default:
		return err
	}
	return fmt.Errorf("%w: %w: %s", ErrUnsupported, err, advice)
}
