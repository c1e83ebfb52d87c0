// Package dial reaches other nodes: it finds an address, races QUIC against
// TLS over TCP, and lets nobody pass for the node that was meant.
//
//	d := dial.Dialer{
//		Certificate: func(context.Context) (*tls.Certificate, error) { return &nodeCertificate, nil },
//		KnownNodes:  &dial.KnownNodes{Path: "known_nodes"},
//	}
//	target, err := dial.ParseTarget("node.example")
//	conn, info, err := d.Dial(ctx, dial.Request{Target: target, ALPN: "alknet/call"})
//
// # Who the other end is
//
// Every dial ends in one of these, or in an error:
//
//   - A node id was given: the server has that key. No name is sent (no SNI),
//     and what a certificate says beside its key, dates included, is ignored.
//   - A DNS name or an IP address was given: it is sent (a name only), and the
//     certificate passes the system's authorities for it.
//   - The authorities do not vouch, but known_nodes holds the key: it is that
//     key.
//   - Nothing is known: first contact. [Dialer.Confirm] is asked, or
//     [Dialer.AcceptNew] says yes, and the key goes to known_nodes.
//
// First contact never replaces what known_nodes holds: another key is a
// [*KeyChangedError], a self-signed certificate where an authority's was seen
// before a [*DowngradeError]. A wrong key on one transport ends the dial; the
// other transport is not a way around it.
//
// The own certificate is shown only to a server whose key has been accepted
// and who has proved possession of it (TLS 1.3 encrypts it besides). On first
// contact a connection without it fetches and proves the server's key; the
// person is asked while nothing is open; then a second connection is made.
//
// # Which transport
//
// The preferred transport starts first: QUIC for [Interactive], TLS over TCP
// for [Bulk], because kernels move bulk data several times faster than QUIC in
// user space does. The other follows 250 ms later (Bulk: 1 s), or at once when
// the first has failed, and the first finished handshake wins (RFC 8305). The
// addresses of a name are tried in the same way, IPv6 and IPv4 in turn. A
// transport that had no answer while the other had one is not preferred for an
// hour. Nothing else is measured: no bandwidth is probed.
//
// # Limits
//
// A refused UDP port is noticed at once on Linux, when the dialler uses a
// socket of its own; elsewhere the delay above applies. Addresses come from one
// look-up of both families (Go waits for both), at most 8 are tried. Through a
// SOCKS5 proxy the proxy resolves the name, and one address is tried.
package dial
