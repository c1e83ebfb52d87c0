// Package vault holds the one secret of a node and derives all its keys from
// it. The secret is a list of recovery words (BIP-39); whoever has the words
// has the node, and nothing else needs a backup.
//
//	v := vault.New()
//	words, err := v.UnlockNew(24)      // once, at the node's birth
//	fmt.Println(words.Reveal())        // to be written down
//	seal := vault.KeyFile("vault.key")
//	err = v.Save("vault.age", seal)
//	…
//	err = v.Open("vault.age", seal)    // at every later start
//	node, err := v.NodeKey()
//
// # One function for each purpose
//
// There is no method that signs arbitrary bytes with the node key. A NodeKey
// signs TLS 1.3 handshakes, its own certificate, BEP 44 items and messages
// with a purpose, and no input of one purpose can pass as that of another.
// SSH hosts, web certificates and internal secrets have keys of their own:
//
//	NodeKey         m/74'/0'/0'/0'   Ed25519, the identity of the node
//	SSHHostKey      m/74'/0'/1'/0'   Ed25519
//	Encrypt, …      m/74'/2'/0'/n'   AES-256-GCM, n = key version - 2
//	Secret32        m/74'/3'/0'/0'   HKDF-SHA256 by label
//	WebKey          the same         ECDSA P-256 by epoch
//	Derive          any path         private halves outside m/74' only
//
// Ed25519 keys follow SLIP-0010 and secp256k1 keys BIP-32, so that other
// software derives the same keys from the same words.
//
// # At rest
//
// The vault file is an age file (age-encryption.org/v1) around a small JSON
// document. A KeyFile seal protects it where it travels without the key file;
// a Passphrase seal protects it everywhere, at the price of the passphrase at
// every start. The stock age tool opens both, should this package ever be out
// of reach. Files are written so that a crash leaves the old one or the new.
//
// # What it protects, and what not
//
// Secrets print as labels in every fmt verb, in slog and in JSON. Lock, and the
// eviction of a cached key, overwrite the memory that this package holds. That
// is a best effort: Go's runtime and the cryptographic packages may keep copies
// (a string from Reveal, an AES key schedule), and a process that can read this
// one's memory while the vault is unlocked can read the keys. The package has
// no network code, starts no goroutines and reads no environment variables.
// WebKey, Secret32 and DerivedKey hand out key material; what happens to it
// then is the caller's business.
package vault
