// Package keyring opens a data directory's vault and hands out what the node
// and the commands need of it, in the types that they use.
package keyring

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/vault"
)

// Keys is an unlocked vault. Close wipes it.
type Keys struct {
	Vault *vault.Vault
	node  *vault.NodeKey
}

// A Prompt asks the owner for the vault's passphrase.
type Prompt func(ctx context.Context) (string, error)

// ErrNeedsPassphrase says that the vault is sealed by a passphrase and nobody
// is there to give it.
var ErrNeedsPassphrase = errors.New("the vault is sealed by a passphrase: run this on a terminal, give --passphrase-file, or start the node first")

// Open opens the vault of a data directory that is set up. prompt may be nil.
func Open(ctx context.Context, d datadir.Dir, prompt Prompt) (*Keys, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	seal, err := Seal(ctx, d, prompt)
	if err != nil {
		return nil, err
	}
	v := vault.New()
	if err := v.Open(d.Vault(), seal); err != nil {
		return nil, err
	}
	return use(v)
}

// Seal is what opens the vault of a data directory: its key file, or the
// passphrase that prompt gets.
func Seal(ctx context.Context, d datadir.Dir, prompt Prompt) (vault.Seal, error) {
	kind, err := vault.SealOf(d.Vault())
	if err != nil {
		return vault.Seal{}, err
	}
	if kind == vault.SealedByKeyFile {
		return vault.KeyFile(d.VaultKey()), nil
	}
	if prompt == nil {
		return vault.Seal{}, ErrNeedsPassphrase
	}
	pass, err := prompt(ctx)
	if err != nil {
		return vault.Seal{}, err
	}
	return vault.Passphrase(pass), nil
}

// Create makes a new vault of that many words in a directory that has none and
// returns the recovery words for the one time that they are shown. It is sealed
// by the passphrase, or by a key file if that is empty. If a vault is there, from
// an interrupted init, it is opened and the words are nil.
func Create(ctx context.Context, d datadir.Dir, words int, passphrase string) (*Keys, *vault.Mnemonic, error) {
	switch _, err := os.Stat(d.Vault()); {
	case err == nil:
		k, err := reopen(ctx, d, passphrase)
		return k, nil, err
	case !errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("look for a vault: %w", err)
	}
	v := vault.New()
	phrase, err := v.UnlockNew(words)
	if err != nil {
		return nil, nil, err
	}
	k, err := save(v, d, passphrase)
	if err != nil {
		phrase.Destroy()
		return nil, nil, err
	}
	return k, phrase, nil
}

// A Recovery is what brings a vault back: its words, and the BIP-39 passphrase
// that belongs to them, if any.
type Recovery struct{ Words, Passphrase string }

// Restore makes the vault from recovery words, sealed as Create does it. It
// replaces no other vault; the same one, from an interrupted restore, is opened.
func Restore(ctx context.Context, d datadir.Dir, r Recovery, passphrase string) (*Keys, error) {
	v := vault.New()
	if err := v.Unlock(r.Words, r.Passphrase); err != nil {
		return nil, err
	}
	if _, err := os.Stat(d.Vault()); err != nil {
		return save(v, d, passphrase)
	}
	wanted, err := use(v)
	if err != nil {
		return nil, err
	}
	defer wanted.Close()
	k, err := reopen(ctx, d, passphrase)
	if err == nil && k.NodeID() == wanted.NodeID() {
		return k, nil
	}
	if k != nil {
		k.Close()
	}
	return nil, fmt.Errorf("%s holds another vault already: choose an empty directory with --data, or move that one away", d.Path())
}

func reopen(ctx context.Context, d datadir.Dir, passphrase string) (*Keys, error) {
	var prompt Prompt
	if passphrase != "" {
		prompt = func(context.Context) (string, error) { return passphrase, nil }
	}
	seal, err := Seal(ctx, d, prompt)
	if err != nil {
		return nil, err
	}
	v := vault.New()
	if err := v.Open(d.Vault(), seal); err != nil {
		return nil, err
	}
	return use(v)
}

func save(v *vault.Vault, d datadir.Dir, passphrase string) (*Keys, error) {
	seal := vault.KeyFile(d.VaultKey())
	if passphrase != "" {
		seal = vault.Passphrase(passphrase)
	}
	if err := v.Save(d.Vault(), seal); err != nil {
		v.Lock()
		return nil, err
	}
	return use(v)
}

func use(v *vault.Vault) (*Keys, error) {
	node, err := v.NodeKey()
	if err != nil {
		v.Lock()
		return nil, err
	}
	return &Keys{Vault: v, node: node}, nil
}

// Close wipes the keys.
func (k *Keys) Close() { k.Vault.Lock() }

// NodeID is the public half of the node key.
func (k *Keys) NodeID() auth.NodeID {
	var id auth.NodeID
	copy(id[:], k.node.Public().(ed25519.PublicKey))
	return id
}

// Node is the node key.
func (k *Keys) Node() *vault.NodeKey { return k.node }

// Certificate is the self-signed certificate of the node key, with the key's
// TLS signer.
func (k *Keys) Certificate() (tls.Certificate, error) {
	der, err := k.node.Certificate()
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{
		Certificate:                  [][]byte{der},
		PrivateKey:                   k.node,
		SupportedSignatureAlgorithms: []tls.SignatureScheme{tls.Ed25519},
	}, nil
}

// HostKey signs SSH key exchanges.
func (k *Keys) HostKey() (*vault.SSHHostKey, error) { return k.Vault.SSHHostKey() }

// Secret is a 32-byte secret of the node for one use.
func (k *Keys) Secret(label string) ([32]byte, error) { return k.Vault.Secret32(label) }

// WebKey is the key of the web face's certificate in an epoch.
func (k *Keys) WebKey(epoch uint64) (crypto.Signer, error) { return k.Vault.WebKey(epoch) }
