// Package acme gets the certificates of a node's domains from a public
// authority and renews them (ACME, RFC 8555), by default from Let's Encrypt.
//
// The authority checks that the domain is this node's by connecting to it. With
// TLS-ALPN-01 (RFC 8737) it comes to port 443 over TCP and the node answers
// inside the handshake, on the same port that serves everything else; with
// HTTP-01 (RFC 8555, section 8.3) it comes to port 80.
//
// Smallest use:
//
//	certificates, err := acme.New(acme.Config{
//		Domains: []string{"example.org"},
//		Email:   "you@example.org",
//		Folder:  "/var/lib/alknet/certs",
//	})
//	if err != nil {
//		return err
//	}
//	server.Certificates = certificates.Certificate // a tlsconf.Server
//	go certificates.Run(ctx)
//
// [New] loads what is on disk and writes nothing, so certificates are served
// before [Manager.Run] starts, and a node whose authority is down starts all the
// same. [Manager.Certificate] answers from memory and never waits: a domain that
// has no certificate yet gets none, and core/tlsconf then shows the self-signed
// one. Certificates are swapped without touching connections.
//
// # Renewal
//
// Each domain has a certificate of its own, so that one name whose records are
// broken does not hold up the others. It is renewed when the authority suggests
// it (ACME renewal information, RFC 9773), else when a third of its lifetime is
// left, or half if that lifetime is below ten days. An order that the authority
// refuses while it names the certificate to be replaced is made again without
// that name. A failed attempt is repeated after one minute, then three times as
// long each time up to twelve hours, or when the authority says. The schedule of
// failures is on disk: a node that restarts in a loop does not spend the
// authority's rate limits.
//
// # Storage
//
// One folder per authority, named for the host of its directory, readable by
// the owner alone:
//
//	_account.json      the account's key and address
//	example.org.pem    key and chain, in one file so that they always match
//	example.org.json   failed attempts; absent when all is well
//
// Every file is replaced whole. A file that cannot be used is renamed to
// NAME.damaged-TIME and never deleted; a new certificate is then ordered. The
// folder must belong to one running Manager.
//
// # Security posture
//
// Keys are ECDSA P-256, and each certificate gets a new one. The directory and
// every address in it must be https. Answers of the authority are bounded in
// size, and its texts are stripped of control characters before they are logged.
// No proxy is taken from the environment. The challenge certificate is shown
// only to a client whose sole protocol is acme-tls/1.
//
// Ordering a certificate publishes the domain name in the certificate
// transparency logs. Running a Manager agrees to the authority's terms of
// service on behalf of whoever configured it.
//
// # Limits
//
// No wildcard names, which need DNS-01, and no IP addresses. No external
// account binding. No OCSP: authorities have ended it in favour of short
// lifetimes, see [Config.Profile].
package acme
