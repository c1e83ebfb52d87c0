// Package git will hold the Git handler of alknet, the ALPN "alknet/git": the
// smart protocol in versions 0, 1 and 2 over bare repositories that stock git
// can open, one service a stream, and the remote helper that lets stock git
// fetch from and push to alknet:// URLs.
//
// The package exports nothing yet and no node registers it: a client that
// offers "alknet/git" is refused in the TLS handshake.
package git
