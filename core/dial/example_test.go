package dial_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/alkdev/alknet/core/dial"
)

func ExampleParseTarget() {
	target, err := dial.ParseTarget("[2001:DB8::1]")
	fmt.Println(target, err)
	_, err = dial.ParseTarget("-oProxyCommand=id")
	fmt.Println(err)
	// Output:
	// [2001:db8::1]:4433 <nil>
	// "-oProxyCommand=id" is not a node: it starts with a dash: options stand before the node
}

func ExampleDialer_Dial() {
	var d dial.Dialer // shows no key, remembers nothing, accepts no first contact
	target, err := dial.ParseTarget("ybndrfg8ejkmcpqxot1uwisza345h769ybndrfg8ejkmcpqxot1y")
	if err != nil {
		fmt.Println("bad node")
		return
	}
	conn, info, err := d.Dial(context.Background(), dial.Request{Target: target, ALPN: "alknet/call"})
	switch {
	case errors.Is(err, dial.ErrNotTrusted):
		fmt.Println("somebody else answers")
	case errors.Is(err, dial.ErrUnreachable):
		fmt.Println("nobody answers")
	case err == nil:
		defer conn.Close(0, "")
		fmt.Println(info.Transport, info.RTT)
	}
}
