// Command bench measures alknet beside what it is built on and beside what people
// would use instead, and prints ratios. Its command line and its method are those
// of package harness; this package holds the rows.
//
//	go run ./scripts/bench -list
//	go run ./scripts/bench -group transport
//	go run ./scripts/bench -write            # all rows, into docs/benchmarks.md
package main

import (
	"os"

	"github.com/alkdev/alknet/scripts/bench/harness"
)

func main() { os.Exit(suite().Main()) }

func suite() harness.Suite {
	return harness.Suite{
		Name:    "alknet",
		Command: "go run ./scripts/bench",
		Doc:     "docs/benchmarks.md",
		Groups:  []harness.Group{transport(), start(), lab(), calls()},
		Helpers: map[string]func([]string) error{
			"idle-clients": idleClients,
			"serve-rpc":    serveRPC,
			"serve":        serveEnd,
			"dial":         dialEnd,
			"bulk":         bulkEnd,
		},
	}
}
