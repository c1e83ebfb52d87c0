package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/vault"
)

func (e *env) vaultEncryptCommand() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "encrypt",
		Short: "Encrypt standard input, a text, to JSON that only this vault reads",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			version, err := keyVersion(to, vault.KeyVersion)
			if err != nil {
				return err
			}
			text, err := readInput(e.stdin, vault.MaxPlaintext)
			if err != nil {
				return err
			}
			defer clear(text)
			keys, err := e.openVault(cmd)
			if err != nil {
				return err
			}
			defer keys.Close()
			sealed, err := keys.Vault.Encrypt(text, version)
			if err != nil {
				return err
			}
			return json.NewEncoder(e.stdout).Encode(sealed)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "key `version`, as in v2")
	return cmd
}

func (e *env) vaultDecryptCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "decrypt",
		Short: "Decrypt what 'vault encrypt' made, from standard input",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sealed, err := e.readSealed()
			if err != nil {
				return err
			}
			keys, err := e.openVault(cmd)
			if err != nil {
				return err
			}
			defer keys.Close()
			text, err := keys.Vault.Decrypt(sealed)
			if err != nil {
				return err
			}
			defer clear(text)
			_, err = e.stdout.Write(text)
			return err
		},
	}
}

func (e *env) vaultRotateCommand() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Encrypt a value again, under the next key version",
		Long: `Read what 'vault encrypt' made from standard input, and print the same text
encrypted under another key version. The recovery words stay the same, and the
old value still decrypts: replace it with the new one.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			old, err := e.readSealed()
			if err != nil {
				return err
			}
			version, err := keyVersion(to, old.Version+1)
			if err != nil {
				return err
			}
			keys, err := e.openVault(cmd)
			if err != nil {
				return err
			}
			defer keys.Close()
			sealed, err := keys.Vault.Rotate(old, version)
			if err != nil {
				return err
			}
			return json.NewEncoder(e.stdout).Encode(sealed)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "key `version`, as in v3 (default: the next)")
	return cmd
}

// maxSealed holds the longest text in base64 and the fields around it.
const maxSealed = vault.MaxPlaintext/3*4 + 4<<10

func (e *env) readSealed() (*vault.EncryptedData, error) {
	raw, err := readInput(e.stdin, maxSealed)
	if err != nil {
		return nil, err
	}
	var sealed vault.EncryptedData
	if err := json.Unmarshal(raw, &sealed); err != nil {
		return nil, fmt.Errorf("read encrypted value: %w: give what 'alknet vault encrypt' printed", err)
	}
	return &sealed, nil
}

func readInput(r io.Reader, limit int) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	if len(raw) > limit {
		return nil, fmt.Errorf("standard input has more than %d bytes, the most that a value may have", limit)
	}
	return raw, nil
}

// keyVersion reads "v3" or "3".
func keyVersion(text string, otherwise uint32) (uint32, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "v"), 10, 32)
	if errors.Is(err, strconv.ErrRange) || err == nil && n < vault.KeyVersion {
		return 0, &usageError{fmt.Errorf("--to %s: %w", text, vault.ErrKeyVersion)}
	}
	if err != nil {
		return 0, usagef("--to %q is not a key version such as v3", text)
	}
	return uint32(n), nil
}
