package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/internal/keyring"
	"github.com/alkdev/alknet/alknet/internal/settings"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/vault"
)

// ErrInitialised says that the directory holds a node already.
var ErrInitialised = errors.New("a node is set up there already")

// InitOptions says how to set a data directory up. The zero value makes a new
// vault of 24 words.
type InitOptions struct {
	// Words is how many recovery words a new vault gets: 12, 15, 18, 21 or
	// 24; zero means 24.
	Words int
	// Restore, if not empty, are the recovery words of the vault to restore.
	Restore string
	// RestorePassphrase is the BIP-39 passphrase that belongs to Restore.
	RestorePassphrase string
	// Passphrase seals the vault, which every start then asks for. Empty
	// means a key file beside it.
	Passphrase string
	// KeyFile is where the vault's key is, or is to be made, if Passphrase is
	// empty; empty means vault.key in the data directory.
	KeyFile string
}

// Initialised is what Init made.
type Initialised struct {
	ID auth.NodeID
	// Words are the recovery words of a new vault, to be shown once and then
	// destroyed; nil after a restore, and when an interrupted Init had made
	// the vault already.
	Words *vault.Mnemonic
}

// Init sets up the data directory at dir (empty: the platform's default): the
// vault and a commented configuration. A crash leaves a
// directory that Init completes, with the same keys. Where a node is set up it
// returns ErrInitialised and changes nothing.
func Init(ctx context.Context, dir string, o InitOptions) (Initialised, error) {
	d, err := datadir.At(dir)
	if err != nil {
		return Initialised{}, err
	}
	if o.KeyFile != "" {
		d = d.WithVaultKey(o.KeyFile)
	}
	if err := d.Check(); err == nil {
		return Initialised{}, fmt.Errorf("%s: %w", d.Path(), ErrInitialised)
	} else if !errors.Is(err, datadir.ErrEmpty) {
		return Initialised{}, err
	}
	if err := d.Create(); err != nil {
		return Initialised{}, err
	}
	unlock, err := d.Lock()
	if err != nil {
		return Initialised{}, err
	}
	defer unlock()
	return initLocked(ctx, d, o)
}

func initLocked(ctx context.Context, d datadir.Dir, o InitOptions) (Initialised, error) {
	var (
		keys *keyring.Keys
		out  Initialised
		err  error
	)
	if o.Restore != "" {
		keys, err = keyring.Restore(ctx, d, keyring.Recovery{Words: o.Restore, Passphrase: o.RestorePassphrase}, o.Passphrase)
	} else {
		words := o.Words
		if words == 0 {
			words = 24
		}
		keys, out.Words, err = keyring.Create(ctx, d, words, o.Passphrase)
	}
	if err != nil {
		return Initialised{}, err
	}
	defer keys.Close()
	out.ID = keys.NodeID()
	if _, err := os.Stat(d.Config()); errors.Is(err, fs.ErrNotExist) {
		if err := datadir.WriteFile(d.Config(), []byte(settings.Template), 0o600); err != nil {
			return Initialised{}, err
		}
	}
	return out, d.Finish()
}
