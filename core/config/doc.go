// Package config holds the part of a node's configuration that changes while
// the node runs: peers, tokens, roles and limits.
//
// A [Store] owns one immutable [Snapshot] of it. [Store.Swap] checks a new
// [Dynamic] whole and then puts it in place at once; a configuration with any
// fault in it is refused with an error that names the entry, and the old one
// stays. Readers never wait: a look-up is one atomic load and one map access.
//
//	store, err := config.NewStore(nodeKey, config.Dynamic{Peers: peers})
//	...
//	id, err := store.ByKey(ctx, key) // the Store is an auth.IdentityProvider
//	...
//	err = store.Swap(next) // SIGHUP, `alknet reload`, `alknet peer remove`
//
// Whoever holds live connections waits on [Store.Changed] and resolves their
// identities again with [Store.Refresh], so that a removed peer does not keep
// what it had opened.
//
// # Security posture
//
// An empty Dynamic serves nobody but the owner, who is recognised by the
// node's own key. Tokens are found by their SHA-256 and compared in constant
// time. [Failures] bounds how often one network prefix may fail to prove who
// it is, in bounded memory.
//
// # Limits
//
// The package reads no files and watches none: what parses config.toml and
// peers.toml hands over a Dynamic.
package config
