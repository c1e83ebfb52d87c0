// Command alknet is a node, and everything one does with nodes: see
// 'alknet help' and the README.
package main

import (
	"os"

	"github.com/alkdev/alknet/alknet/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
