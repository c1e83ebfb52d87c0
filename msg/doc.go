// Package msg will hold the messages of alknet, the ALPN "alknet/msg": sealed
// envelopes from person to person, mailboxes for those who are offline, and
// relaying through other nodes.
//
// The package exports nothing yet and no node registers it: a client that
// offers "alknet/msg" is refused in the TLS handshake.
package msg
