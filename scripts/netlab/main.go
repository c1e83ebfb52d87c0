package netlab

import "testing"

// Main runs the tests of a package, where needed inside a user namespace: see
// [Rerun]. So tests that make a lab need no root where the system lets users
// make namespaces and open /dev/net/tun.
//
//	func TestMain(m *testing.M) { os.Exit(netlab.Main(m)) }
func Main(m *testing.M) int {
	if code, ran := Rerun(); ran {
		return code
	}
	return m.Run()
}
