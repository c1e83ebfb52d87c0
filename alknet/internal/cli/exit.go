package cli

import (
	"errors"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/dial"
)

// exitCode is what the program ends with: docs/cli.md lists the codes.
func exitCode(err error) int {
	var (
		code  exitError
		usage *usageError
	)
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage):
		return exitUsage
	case dial.Refused(err), errors.Is(err, core.ErrForbidden), errors.Is(err, core.ErrAuthRequired):
		return exitRefused
	case errors.Is(err, dial.ErrUnreachable):
		return exitUnreachable
	}
	return exitFailed
}
