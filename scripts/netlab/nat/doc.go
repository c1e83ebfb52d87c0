// Package nat is the four classic network address translators (NATs) for IPv4,
// as a function from packets to packets:
//
//	n, err := nat.New(nat.Config{Kind: nat.PortRestricted, Outside: netip.MustParseAddr("192.0.2.1")})
//	...
//	hairpin, err := n.Outbound(now, packet) // from the inside: the source changes
//	err = n.Inbound(now, packet)            // from the outside: the destination changes
//
// Packets are raw IPv4 and are rewritten in place; their length never changes,
// and checksums are updated incrementally (RFC 1624), so that a packet which was
// valid is valid afterwards and one which was not is not. An error is a
// [Refusal]: the packet does not pass, and the caller drops it.
//
// The package has no clock, no goroutine and no operating system below it. The
// caller says what time it is, as a duration since an origin of its choice, so
// that timeouts of hours are tested in no time. Ports come from a seed: the same
// packets at the same moments give the same translation.
//
// # What is translated
//
// UDP and TCP by port, ICMP echo by identifier (RFC 5508 §3.1), and the ICMP
// errors that routers and hosts send about these three, with the packet that
// they quote (RFC 5508 §3.2). An ICMP error neither makes nor refreshes a
// mapping. An echo request from outside has no mapping; who wants the NAT itself
// to answer pings does so before Inbound.
//
// Ports are not preserved: a mapping gets a port of the seed's choice, 1024 to
// 65535, and no port is used again before all others have been. That is the
// hardest case for an application that predicts ports.
//
// # Filtering
//
// A packet from outside passes if the mapping exists and its [Kind] admits the
// sender. A mapping that is idle for its timeout is gone, and so is the
// permission of a peer to whom nothing was sent for that time. UDP and ICMP
// mappings are kept alive by outbound packets only, unless
// [Config.InboundRefresh] is set (RFC 4787 §4.3); TCP mappings by both.
//
// # Limits
//
// Fragments are refused, as is IPv6, which does not need a NAT. There is no
// application layer gateway and no SCTP, DCCP or GRE. TCP state is what timeouts
// need (RFC 5382 §5): a connection that nobody answered, or of which one side
// has sent FIN or RST, gets 4 minutes; sequence numbers are not checked. TTL is
// the business of the router around the NAT. Mappings and peers are bounded by
// [Config.MaxMappings]; what does not fit is refused, nothing is thrown out for
// it.
package nat
