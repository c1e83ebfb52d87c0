package vault

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"fmt"
	"io"

	"github.com/alkdev/alknet/vault/internal/hd"
)

// An SSHHostKey is the Ed25519 key that this node's SSH server shows. It is a
// key of its own (PathSSHHost): whatever SSH has it sign says nothing in the
// name of the node key. It serves several goroutines.
type SSHHostKey struct {
	redaction
	vault  *Vault
	path   hd.Path
	public ed25519.PublicKey
}

// SSHHostKey returns the SSH host key, for ssh.NewSignerFromSigner of
// golang.org/x/crypto/ssh, or ErrLocked.
func (v *Vault) SSHHostKey() (*SSHHostKey, error) {
	path, public, err := v.ed25519Public(PathSSHHost)
	if err != nil {
		return nil, err
	}
	return &SSHHostKey{redaction{fmt.Sprintf("SSH host key ed25519:%x", []byte(public))}, v, path, public}, nil
}

// Public returns the ed25519.PublicKey, as crypto.Signer demands.
func (k *SSHHostKey) Public() crypto.PublicKey { return k.public }

// Sign signs an SSH exchange hash or key proof (RFC 8709), given whole. rand
// is not used; opts must say that nothing was hashed.
//
// It returns ErrLocked or ErrPurpose.
func (k *SSHHostKey) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	if !pureEd25519(opts) {
		return nil, fmt.Errorf("sign as SSH host: %w", ErrPurpose)
	}
	err = k.vault.with(Ed25519, k.path, func(e *cacheEntry) error {
		if !bytes.Equal(e.public, k.public) {
			return ErrLocked
		}
		signature = ed25519.Sign(e.private, message)
		return nil
	})
	return signature, err
}
