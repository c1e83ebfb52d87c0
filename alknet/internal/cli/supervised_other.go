//go:build !windows

package cli

import (
	"os"

	"github.com/alkdev/alknet/alknet/node"
)

// supervised runs serve, whose signals are the process's own.
func supervised(_ *env, serve func(signals chan os.Signal, tell func(node.State)) error) error {
	return serve(make(chan os.Signal, 4), nil)
}
