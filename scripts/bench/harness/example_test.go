package harness_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"os"

	"github.com/alkdev/alknet/scripts/bench/harness"
)

// A program of one row. Started with -list it prints the row and its target.
func Example() {
	block := make([]byte, 1<<20)
	hash := func(op func()) harness.Measure {
		return func(r *harness.Run) (harness.Sample, error) {
			return r.Rate(10, 1000, func() error { op(); return nil })
		}
	}
	suite := harness.Suite{
		Name: "SHA-256", Command: "go run ./bench", Doc: "docs/benchmarks.md",
		Groups: []harness.Group{{Name: "hashes", Title: "Hashing a megabyte", Rows: []harness.Row{{
			Name: "hash", What: "1 MiB of zeros", Against: "SHA-512", Unit: "/s", Target: harness.Target{AtLeast: 1},
			Ours: hash(func() { sha256.Sum256(block) }), Peer: hash(func() { sha512.Sum512(block) }),
		}}}},
	}
	suite.Run([]string{"-list"}, os.Stdout, os.Stderr) // main has os.Exit(suite.Main())
	// Output:
	// hashes: Hashing a megabyte
	//   hash  SHA-512  ≥ 1.00  1 MiB of zeros
}
