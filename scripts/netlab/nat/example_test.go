package nat_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/alkdev/alknet/scripts/netlab/nat"
)

// A UDP packet from 10.0.0.2 leaves through the NAT.
func Example() {
	n, err := nat.New(nat.Config{Kind: nat.PortRestricted, Outside: netip.MustParseAddr("192.0.2.1"), Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	packet := []byte{
		0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, // IPv4, 28 bytes, UDP
		10, 0, 0, 2, 198, 51, 100, 7, // from, to
		0x13, 0x88, 0x01, 0xbb, 0, 8, 0, 0, // port 5000 to port 443, no checksum
	}
	if _, err := n.Outbound(0, packet); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(netip.AddrFrom4([4]byte(packet[12:16])), binary.BigEndian.Uint16(packet[20:]) >= 1024)
	fmt.Println(n.Mappings()[0].Inside)

	packet[9] = 132 // SCTP
	_, err = n.Outbound(0, packet)
	fmt.Println(err, err == nat.Unsupported)
	// Output:
	// 192.0.2.1 true
	// 10.0.0.2:5000
	// nat: protocol is not translated true
}
