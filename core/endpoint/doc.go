// Package endpoint is the listening side of a node: one port number, on UDP for
// QUIC and on TCP for TLS, and every connection handed to the handler of the
// protocol that its TLS handshake negotiated.
//
//	var router core.Router
//	router.Register(echo)
//	e := &endpoint.Endpoint{
//		Router:     &router,
//		TLS:        &tlsconf.Server{Node: nodeCertificate},
//		Identities: store, // *config.Store
//		Limits:     store.Limits,
//		Changed:    store.Changed,
//	}
//	if err := e.Listen(":4433"); err != nil {
//		return err
//	}
//	go e.Serve(ctx)
//	…
//	err := e.Shutdown(ctx)
//
// # Addresses
//
// ":4433" binds one dual-stack socket per transport. "0.0.0.0:4433",
// "192.0.2.1:4433" and "[2001:db8::1]:4433" bind that family and address only.
// With port 0 TCP takes a free port, and another one is tried until UDP gets the
// same. ListenOn takes sockets that are bound already (socket activation): they
// outlive the endpoint, so that a restart refuses nobody.
//
// # Security posture
//
// Handshakes run beside the accept loops, so many at a time and so long at most
// (config.Limits). Above RetryAbove in flight, QUIC clients must prove their
// address first (RFC 9000, section 8.1.2). Connections that have proved no
// identity are counted per source, IPv4 address or IPv6 /64, and only after the
// address is validated, so that forged sources use up nobody's share; loopback is
// exempt. Proven ones count for their identity instead, so that strangers behind
// the same address translator do not lock a peer out.
//
// Whose key a client certificate carries is asked once per connection; a key that
// is not listed, disabled or expired is nobody's, and the handlers decide what
// nobody may do. When the configuration changes, and when an identity expires,
// the connections of those who are gone are closed with core.CodeRevoked.
//
// Logged are validated addresses, protocol names and peers; never server names.
//
// # Limits
//
// The figures of the QUIC transport, and the memory that they admit, are in
// docs/architecture.md.
package endpoint
