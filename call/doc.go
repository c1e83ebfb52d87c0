// Package call will hold the call protocol of alknet, the ALPN "alknet/call":
// a registry of named operations with schemas, the length-prefixed JSON
// envelopes that carry calls, answers and subscriptions, and a client.
//
// The package exports nothing yet and no node registers it: a client that
// offers "alknet/call" is refused in the TLS handshake.
package call
