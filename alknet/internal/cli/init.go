package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/alknet/node"
	"github.com/alkdev/alknet/vault"
)

func (e *env) initCommand() *cobra.Command {
	var (
		o                 node.InitOptions
		restore, withPass bool
		seal              bool
	)
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Set up a data directory: vault, keys and configuration",
		Long: `Set up a data directory: vault, keys and configuration.

The recovery words are printed once. They are the node: with them, and nothing
else, 'alknet init --restore' makes the same keys again.

--restore reads the words from standard input, separated by spaces or lines,
or asks for them on the terminal without showing them. With
--bip39-passphrase, the line after the words is the BIP-39 passphrase that
belongs to them.

The vault is sealed to a key file beside it, so that the node starts unattended:
this protects a copy of the vault that travels alone, and not against somebody
who can read the whole folder. --passphrase seals it by a passphrase instead.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx := cmd.Context()
			if withPass && !restore {
				return usagef("--bip39-passphrase belongs to --restore: new words have none")
			}
			if restore && cmd.Flags().Changed("words") {
				return usagef("give --words or --restore: the words to restore tell their number")
			}
			if restore {
				if o.Restore, o.RestorePassphrase, err = e.readWords(ctx, withPass); err != nil {
					return err
				}
			}
			if seal || e.passphraseFile != "" {
				if o.Passphrase, err = e.newPassphrase(ctx, e.passphraseFile); err != nil {
					return err
				}
			}
			o.KeyFile = e.vaultKey()
			return e.initialise(ctx, o)
		},
	}
	cmd.Flags().IntVar(&o.Words, "words", 24, "`number` of recovery words: 12, 15, 18, 21 or 24")
	cmd.Flags().BoolVar(&restore, "restore", false, "read recovery words from standard input")
	cmd.Flags().BoolVar(&withPass, "bip39-passphrase", false, "read the BIP-39 passphrase that belongs to the words, too")
	cmd.Flags().BoolVar(&seal, "passphrase", false, "seal the vault by a passphrase, asked for at every start")
	return e.jsonFlag(cmd)
}

type initResult struct {
	NodeID string   `json:"node_id"`
	Path   string   `json:"path"`
	Words  []string `json:"words,omitempty"` // of a new vault
}

func (e *env) initialise(ctx context.Context, o node.InitOptions) error {
	d, err := e.dir()
	if err != nil {
		return err
	}
	made, err := node.Init(ctx, d.Path(), o)
	if errors.Is(err, node.ErrInitialised) {
		return fmt.Errorf("%w: start it with 'alknet serve', or choose another folder with --data", err)
	}
	if err != nil {
		return wordsUsage(err)
	}
	res := initResult{NodeID: made.ID.String(), Path: d.Path()}
	if made.Words != nil {
		res.Words = strings.Fields(made.Words.Reveal())
		made.Words.Destroy()
	}
	return e.print(res, func(w io.Writer) {
		fmt.Fprintf(w, "node id  %s\npath     %s\n", res.NodeID, res.Path)
		switch {
		case res.Words != nil:
			fmt.Fprintln(w)
			printWords(w, res.Words)
		case o.Restore != "":
			fmt.Fprintln(w, "\nThe keys are those of the recovery words. Peers, tokens and settings are not in\nthem: copy peers.toml and config.toml from a backup, if there is one.")
		default:
			fmt.Fprintln(w, "\nAn earlier attempt had made the vault already: 'alknet vault export' shows its\nrecovery words.")
		}
	})
}

// wordsUsage makes a wrong number of words to draw a usage error.
func wordsUsage(err error) error {
	if n := (*vault.WordCountError)(nil); errors.As(err, &n) {
		return &usageError{err}
	}
	return err
}

// printWords shows recovery words in numbered columns.
func printWords(w io.Writer, words []string) {
	fmt.Fprint(w, `These are the recovery words. Write them down on paper, in this order, and keep
them away from this machine. Whoever has them has this node and can read what
its vault encrypted; without them a lost disk is a lost node.

`)
	const columns = 4
	rows := (len(words) + columns - 1) / columns
	for r := range rows {
		for i := r; i < len(words); i += rows {
			if i+rows < len(words) {
				fmt.Fprintf(w, "%2d. %-10s", i+1, words[i])
			} else {
				fmt.Fprintf(w, "%2d. %s", i+1, words[i])
			}
		}
		fmt.Fprintln(w)
	}
}

// readWords gets recovery words, and with them their passphrase.
func (e *env) readWords(ctx context.Context, withPass bool) (words, passphrase string, err error) {
	if isTerminal(e.stdin) {
		if words, err = e.askSecret(ctx, "Recovery words, with spaces between them (not shown): "); err != nil {
			return "", "", err
		}
		if withPass {
			if passphrase, err = e.askSecret(ctx, "BIP-39 passphrase: "); err != nil {
				return "", "", err
			}
		}
	} else if words, passphrase, err = splitWords(e.stdin, withPass); err != nil {
		return "", "", err
	}
	if strings.TrimSpace(words) == "" {
		return "", "", errors.New("no recovery words on standard input: type them there, separated by spaces")
	}
	return words, passphrase, nil
}

func splitWords(r io.Reader, withPass bool) (words, passphrase string, err error) {
	in := bufio.NewReader(io.LimitReader(r, 2*maxSecret))
	if !withPass {
		raw, err := io.ReadAll(in)
		if err != nil {
			return "", "", fmt.Errorf("read recovery words: %w", err)
		}
		return string(raw), "", nil
	}
	if words, err = in.ReadString('\n'); err != nil && !errors.Is(err, io.EOF) {
		return "", "", fmt.Errorf("read recovery words: %w", err)
	}
	if passphrase, err = in.ReadString('\n'); err != nil && !errors.Is(err, io.EOF) {
		return "", "", fmt.Errorf("read BIP-39 passphrase: %w", err)
	}
	if passphrase == "" {
		return "", "", errors.New("no BIP-39 passphrase: it is the line after the words")
	}
	return words, strings.TrimRight(passphrase, "\r\n"), nil
}
