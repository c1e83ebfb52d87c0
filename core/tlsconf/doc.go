// Package tlsconf makes the TLS settings of a node's one socket, which has two
// faces. The ClientHello decides which of them the client sees, by the first
// protocol it offers that this node serves (ALPN, RFC 7301) and then by the
// server name (SNI):
//
//   - The node face serves alknet/* and every name that is not of the web. It is
//     TLS 1.3 only, shows the self-signed certificate around the node's Ed25519
//     key, or a CA's where the client names a host for which there is one,
//     requests a client certificate, and issues no session tickets.
//   - The web face serves h3, h2, http/1.1, doq and dot. It shows a CA's
//     certificate, else a self-signed one on ECDSA P-256, which browsers accept,
//     and asks for no client certificate, since browsers would prompt.
//
// Each face lists its own protocols only, so that no client gets a protocol of
// the other one with the wrong certificate, and a session ticket of the web face
// resumes nothing on the node face.
//
// Smallest use:
//
//	server := &tlsconf.Server{Node: nodeCertificate, Web: &tlsconf.WebCertificates{Key: webKey}}
//	server.NodeALPNs, server.WebALPNs = tlsconf.Split(router.ALPNs())
//	ln := tls.NewListener(tcp, server.TCP("http/1.1"))
//
// # Security posture
//
// A client certificate is never checked against an authority: the handshake
// proves possession of its key, and whose key that is, is asked elsewhere
// (auth.CertificateKey). An offer that names no protocol of this node on this
// transport fails with no_application_protocol, as does QUIC without ALPN
// (RFC 9001, section 8.1). TCP clients that use no ALPN get one protocol of the
// web face, never one of the node's. Curves are left to crypto/tls, which
// prefers X25519MLKEM768.
package tlsconf
