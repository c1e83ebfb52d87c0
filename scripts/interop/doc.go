// Package interop holds the tests that meet alknet with software of other
// people: stock clients and servers, and Go libraries that are not ours. It
// exports nothing, is never tagged, and is the only module that replaces every
// other one by its directory, which is what lets the workspace build versions
// that were never published.
//
// # The rule about missing tools
//
// A test names each program it runs before it does anything else, by calling
// need. On a machine without that program the test is skipped, and the skip
// says which program was missing. With ALKNET_INTEROP=require in the
// environment the same test fails instead, so that a green run there means
// that every test ran. scripts/bootstrap installs the programs on Debian.
//
//	go test ./...                                  # skips what cannot run
//	ALKNET_INTEROP=require go test -count=1 ./...  # a missing program fails, as in CI
//
// The tests listen on loopback only, on ports that the kernel chooses, and
// write only below the directories that testing.T.TempDir gives them.
package interop
