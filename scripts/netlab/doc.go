// Package netlab joins network namespaces by links that misbehave as told, from
// a seed, so that a test of a network program meets delay, loss, NATs and
// changes of address with the kernel's own TCP and UDP at both ends:
//
//	func TestFarAway(t *testing.T) {
//		lab := netlab.New(t, netlab.Config{})
//		inet := lab.Network("internet")
//		server := inet.Host("server")
//		client := inet.NAT("home", nat.Config{Kind: nat.Symmetric}).Host("client")
//		client.Link().Both(link.Shape{Delay: 25 * time.Millisecond, Loss: 0.01})
//
//		l, err := server.Listen("tcp", ":80")                            // sockets of the test itself,
//		...
//		out, err := client.Command(ctx, "curl", "http://server/").Output() // and programs
//	}
//
// It needs no tc and no netem in the kernel, no bridge, no name in /run/netns:
// each [Host] is a namespace with a TUN device, and the process of the test
// forwards the packets. When that process ends, however it ends, no network is left,
// and no program that [Host.Command] started.
//
// # The way of a packet
//
//	client ─ Link.Up ─▶ NAT ─ Link.Up ─▶ network ─ Link.Down ─▶ server
//
// Each host and each NAT has one [Link] with two directions, whose misbehaviour
// is a [link.Shape]. A [Network] joins them and is perfect itself; networks that
// stand behind no NAT reach each other. Shapes change at any time, hosts and
// NATs move to other networks, NATs forget their mappings. All this happens
// between two packets; what is on its way keeps the time it was given.
//
// Packets pass in the order they came, except where a shape says otherwise.
// Whether the n-th packet of a direction is lost depends on the seed and n alone
// (package link), and only packets between hosts are counted: the lab takes away
// what kernels say on their own to neighbours that a host does not have.
//
// # What it needs
//
// Linux, the rights to make namespaces, and /dev/net/tun. Root has them. For
// others, call [Main] or [Rerun], which run the program in a user namespace;
// that works where the system allows it and the device is open to all (mode
// 0666, as most distributions have it). Where something is missing, [New] skips
// the test and [Open] returns [ErrUnsupported], both with the reason.
//
// # Where a packet can get lost
//
//   - In a link, as its shape says: [LinkStats] counts each cause.
//   - In the device of a host, before the lab sees it, when the host sends faster
//     than the lab forwards for longer than 10000 packets: [LinkStats.Overrun].
//   - In the lab: no such address, a false source, a NAT that refuses, more than
//     65536 packets on their way: [Stats].
//   - In the receiving host, as ever: a full socket buffer.
//
// # How fast, how exact
//
// On two cores of an AMD EPYC that did other work too (go test -bench .): one
// TCP connection over perfect links moves 1.5 to 1.7 Gbit/s, which is 130000
// packets of 1500 bytes and their acknowledgements a second; four connections
// over 50 ms move 1.3 Gbit/s; small UDP packets pass at 160000 a second. Nearly
// all of it is the kernel's work for reading and writing single packets, so that
// sender, lab and receiver share the same cores: measure what a program can do
// at rates below, and set a Rate where two programs are compared.
//
// A round trip without delay takes 20 µs within a process that is busy and 0.1
// to 0.2 ms when everything sleeps in between. With 25 ms each way it is late by
// 0.2 to 0.4 ms in the median and 0.7 ms in 99 of 100 cases; never early. When
// other programs want all cores a packet may wait for its turn, typically up to
// 4 ms: use medians, and do not judge single packets by the clock.
//
// # Limits
//
// Routers do not lower the TTL and do not fragment; they answer nothing but, with
// [PMTUD], packets that are too large. No multicast, no broadcast, no DHCP, no
// DNS but the names in /etc/hosts. IPv6 does not pass a NAT. All networks are in
// one process: a lab is as fast as one machine.
//
// Programs in a host share files, process numbers and the rights of the caller
// with the machine: a lab isolates the network, it is no sandbox. Abstract Unix
// sockets belong to the namespace, others to the file system, through which a
// program may reach a resolver or a daemon outside.
package netlab
