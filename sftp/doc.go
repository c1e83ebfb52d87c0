// Package sftp will hold the SFTP handler of alknet, the ALPN "alknet/sftp":
// SFTP version 3 (draft-ietf-secsh-filexfer-02) straight on a stream, one
// session a stream, without an SSH layer. The same server will answer as the
// "sftp" subsystem of the SSH handler.
//
// The package exports nothing yet and no node registers it: a client that
// offers "alknet/sftp" is refused in the TLS handshake.
package sftp
