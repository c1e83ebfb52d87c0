// Package dns will hold the DNS handler of alknet, the ALPNs "doq" (DNS over
// QUIC, RFC 9250) and "dot" (DNS over TLS, RFC 7858): served zones, lookups,
// and the signed records by which a node's key leads to its addresses.
//
// The package exports nothing yet and no node registers it: a client that
// offers "doq" or "dot" is refused in the TLS handshake.
package dns
