package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/alknet/internal/keyring"
	"github.com/alkdev/alknet/vault"
)

func (e *env) vaultCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "vault",
		Short: "The node's secret: how it is sealed, and what it encrypts",
	},
		e.vaultLockCommand(), e.vaultUnlockCommand(),
		e.vaultEncryptCommand(), e.vaultDecryptCommand(), e.vaultRotateCommand(),
		e.vaultDeriveCommand(), e.vaultExportCommand())
}

func (e *env) vaultLockCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "lock",
		Short: "Seal the vault by a passphrase, or by another one",
		Long: `Seal the vault by a passphrase, or by another one. Every start of the node then
asks for it, and takes about a second longer. The node must be stopped.

The old key file stays, because old copies of the vault need it. Whoever has
both still has the node: remove vault.key once no such copy is left.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return e.reseal(cmd, func(vault.SealKind) (vault.Seal, error) {
				pass, err := e.newPassphrase(ctx, file)
				return vault.Passphrase(pass), err
			}, "the vault is sealed by the passphrase")
		},
	}
	cmd.Flags().StringVar(&file, "new-passphrase-file", "", "`file` whose first line is the new passphrase (default: asked for on the terminal)")
	return cmd
}

func (e *env) vaultUnlockCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unlock",
		Short: "Seal the vault to a key file, so that the node starts unattended",
		Long: `Seal the vault to a key file beside it, so that the node starts unattended. That
protects a copy of the vault which travels alone, as in a backup, and not against
somebody who can read the whole folder. The node must be stopped.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := e.setUpDir()
			if err != nil {
				return err
			}
			return e.reseal(cmd, func(kind vault.SealKind) (vault.Seal, error) {
				if kind == vault.SealedByKeyFile {
					return vault.Seal{}, errors.New("the vault is sealed to its key file already: there is nothing to do")
				}
				return vault.KeyFile(d.VaultKey()), nil
			}, "the vault is sealed to its key file")
		},
	}
}

func (e *env) reseal(cmd *cobra.Command, to func(now vault.SealKind) (vault.Seal, error), done string) error {
	d, err := e.setUpDir()
	if err != nil {
		return err
	}
	unlock, err := d.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	kind, err := vault.SealOf(d.Vault())
	if err != nil {
		return err
	}
	from, err := keyring.Seal(cmd.Context(), d, e.passphrase)
	if err != nil {
		return err
	}
	// Before a new passphrase is asked for, the old one must be right.
	if kind == vault.SealedByPassphrase && e.passphraseFile == "" {
		if err := vault.New().Open(d.Vault(), from); err != nil {
			return err
		}
	}
	seal, err := to(kind)
	if err != nil {
		return err
	}
	if err := vault.Reseal(d.Vault(), from, seal); err != nil {
		return err
	}
	fmt.Fprintln(e.stderr, "alknet: "+done)
	return nil
}

// openVault unlocks the vault for one command.
func (e *env) openVault(cmd *cobra.Command) (*keyring.Keys, error) {
	d, err := e.setUpDir()
	if err != nil {
		return nil, err
	}
	return keyring.Open(cmd.Context(), d, e.passphrase)
}

type derived struct {
	Path   string `json:"path"`
	Type   string `json:"type"`
	Public string `json:"public"` // hex
}

func (e *env) vaultDeriveCommand() *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use:   "derive PATH",
		Short: "Print the public key at a derivation path",
		Long: `Print the public key at a derivation path such as m/44'/60'/0'/0/0, in hex. The
private half does not leave the vault.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			types := map[string]vault.KeyType{"ed25519": vault.Ed25519, "secp256k1": vault.Secp256k1}
			t, ok := types[kind]
			if !ok {
				return usagef("--type %q is neither ed25519 nor secp256k1", kind)
			}
			keys, err := e.openVault(cmd)
			if err != nil {
				return err
			}
			defer keys.Close()
			k, err := keys.Vault.Derive(t, a[0])
			if err != nil {
				return badPath(err)
			}
			defer k.Destroy()
			out := derived{Path: k.Path(), Type: kind, Public: hex.EncodeToString(k.Public())}
			return e.print(out, func(w io.Writer) { fmt.Fprintln(w, out.Public) })
		},
	}
	cmd.Flags().StringVar(&kind, "type", "ed25519", "`kind` of key: ed25519 (SLIP-0010) or secp256k1 (BIP-32)")
	return e.jsonFlag(cmd)
}

func badPath(err error) error {
	if p := (*vault.PathError)(nil); errors.As(err, &p) {
		return &usageError{err}
	}
	return err
}

func (e *env) vaultExportCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Show the recovery words",
		Long: `Show the recovery words, after a question on the terminal or with --yes. Whoever
sees them can be this node. If the vault was restored with a BIP-39 passphrase,
that belongs to them and is not shown.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				agreed, err := e.confirm("Show the recovery words here, where somebody may look on?")
				if errors.Is(err, errNoTerminal) {
					return usagef("%w: add --yes to have the recovery words printed", err)
				}
				if err != nil {
					return err
				}
				if !agreed {
					return errors.New("not shown")
				}
			}
			keys, err := e.openVault(cmd)
			if err != nil {
				return err
			}
			defer keys.Close()
			phrase, err := keys.Vault.Words()
			if err != nil {
				return err
			}
			defer phrase.Destroy()
			words := strings.Fields(phrase.Reveal())
			return e.print(map[string][]string{"words": words}, func(w io.Writer) { printWords(w, words) })
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return e.jsonFlag(cmd)
}
