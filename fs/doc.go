// Package alkfs will hold the content-addressed store of alknet, the ALPN
// "alknet/fs": blobs and trees named and verified by BLAKE3, with local and
// S3 storage behind one interface. It is not called fs because it would pass
// for io/fs where both are imported.
//
// The package exports nothing yet and no node registers it: a client that
// offers "alknet/fs" is refused in the TLS handshake.
package alkfs
