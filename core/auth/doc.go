// Package auth says who somebody is and what they may do.
//
// A [Key] names a public key or certificate whose possession was proved, or
// that an owner wrote down as belonging to a peer. A [Peer] is a name with
// several keys; a [Token] is a bearer secret of which only the hash is kept.
// An [IdentityProvider] turns either credential into an [Identity], and
// Identity.Allow compares one [Action] with the [Scopes] the owner granted:
//
//	id, err := provider.ByKey(ctx, key)
//	if err != nil {
//		return err // unknown, disabled or expired
//	}
//	if !id.Allow(auth.DoHost("ssh", "forward", "db.lan", 5432)) {
//		return errRefused
//	}
//
// # Scopes
//
// A scope is area:verb[:target], split at the first two colons only. Without
// a target it covers every target. The target is read by its area:
//
//	ssh:forward:HOST:PORT   hosts: db.lan, *.lan, 10.0.0.0/8, [fd00::/8], *; port: 22 or *
//	ssh:listen:HOST:PORT    the same, for listening sockets
//	ssh:streamlocal:PATH    Unix sockets; ssh:streamlocal-listen:PATH to listen
//	ssh:exec:ARGV           words as a shell would split them; exact, no expansion
//	sftp:read:PATH          absolute path, covers what is below it (also sftp:write, http:…)
//	git:read:REPO           names by '/'; * is one component, a final ** one or more
//	call:OPERATION          names likewise; the area has no verb
//
// Every other area reads its target as a name. The scope area:* covers every
// verb of an area except admin, ssh:listen and ssh:streamlocal…, which must
// be written out. The scope admin covers everything.
//
// # Security posture
//
// The zero value of every type here grants nothing. An action whose target is
// malformed (an empty DNS label, an octal IPv4 address, a relative path) is
// covered by admin alone. A host name and an IP address are never
// interchangeable: a name that resolves into 10.0.0.0/8 is not covered by
// that prefix, so who dials a name and wants the address checked as well asks
// once more with the address. Tokens are compared in constant time and are
// redacted in every formatting verb.
//
// # Limits
//
// The matcher knows no negation: scopes only add. Certificate authorities are
// not consulted; a certificate is a key here, recognised by its digest.
//
// The package imports only the standard library.
package auth
