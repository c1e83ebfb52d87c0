package netlab_test

import (
	"context"
	"fmt"
	"os"

	"github.com/alkdev/alknet/scripts/netlab"
)

const helperVariable = "NETLAB_TEST_HELPER"

// helper is a process that makes a lab, starts a program in it and waits to be
// killed.
func helper() int {
	lab, err := netlab.Open(netlab.Config{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	cmd := lab.Network("internet").Host("a").Command(context.Background(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(cmd.Process.Pid)
	_, _ = os.Stdin.Read(make([]byte, 1))
	return 1
}
