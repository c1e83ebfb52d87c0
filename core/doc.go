// Package core is what every service of a node stands on: the contract between
// a connection and its handler, and the router between them.
//
// # A service is an ALPN
//
// A node has one key and listens on one port number, UDP for QUIC and TCP for
// TLS. The protocol name that the TLS handshake negotiates (ALPN, RFC 7301)
// decides which [ProtocolHandler] gets the connection, before a byte of it is
// read. A service is therefore a name and a function:
//
//	echo := core.HandlerFunc("example.org/echo", func(ctx context.Context, conn core.Connection, who *core.AuthContext) error {
//		for {
//			stream, err := conn.AcceptStream(ctx)
//			if err != nil {
//				return err
//			}
//			go func() {
//				defer stream.Close()
//				io.Copy(stream, stream)
//			}()
//		}
//	})
//	var router core.Router
//	err := router.Register(echo)
//
// The same handler serves QUIC, where a connection has many streams, and
// everything that is one stream: TLS over TCP, a Unix socket, an SSH channel.
// It never asks which.
//
// # What is where
//
//   - core: the contract. It imports only the standard library and core/auth.
//   - core/auth: keys, node ids, scopes, peers, tokens.
//   - core/config: what may change while the node runs, swapped atomically.
//   - core/tlsconf: the certificates and TLS settings of the two faces.
//   - core/endpoint: the listeners, limits and drain of a node.
//   - core/dial: reaching other nodes.
//   - core/acme: certificates of public authorities.
//   - core/coretest: connections in memory and the conformance suite, for
//     whoever writes a handler or a transport.
//
// # Security posture
//
// Nothing is served that was not registered, and a zero identity may do
// nothing. A handler that fails or panics ends its own connection only. A
// connection inside another one starts without the outer one's rights.
package core
