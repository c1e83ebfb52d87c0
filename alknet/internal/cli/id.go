package cli

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/alknet/internal/admin"
	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/internal/keyring"
	"github.com/alkdev/alknet/alknet/internal/settings"
	"github.com/alkdev/alknet/core/auth"
)

func (e *env) idCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "id",
		Short: "Show the node's public keys",
		Long: `Show what others may know of this node: its id, the same key as a fingerprint,
the SSH host key, and the SHA-256 hashes of the self-signed web certificate, the
one in use and the one that follows it.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := e.setUpDir()
			if err != nil {
				return err
			}
			id, err := e.identity(cmd.Context(), d)
			if err != nil {
				return err
			}
			return e.print(id, func(w io.Writer) {
				fmt.Fprintf(w, "node id           %s\nfingerprint       %s\nSSH host key      %s\nweb certificate   %s\n  the next one    %s\n",
					id.NodeID, id.Fingerprint, id.SSHHostKey, id.WebCert, id.NextWebCert)
			})
		},
	}
	return e.jsonFlag(cmd)
}

type identity struct {
	NodeID      string `json:"node_id"`
	Fingerprint string `json:"fingerprint"`
	SSHHostKey  string `json:"ssh_host_key"`
	WebCert     string `json:"web_cert_sha256"`
	NextWebCert string `json:"web_cert_sha256_next"`
}

// identity asks the running node, which needs no passphrase, else the vault.
func (e *env) identity(ctx context.Context, d datadir.Dir) (identity, error) {
	socket, err := d.Socket()
	if err != nil {
		return identity{}, err
	}
	answer, err := admin.NewClient(socket).Identity(ctx)
	if err == nil {
		return runningIdentity(answer)
	}
	if !errors.Is(err, admin.ErrNotRunning) {
		return identity{}, err
	}
	s, err := settings.Load(d.Config())
	if err != nil {
		return identity{}, err
	}
	keys, err := keyring.Open(ctx, d, e.passphrase)
	if err != nil {
		return identity{}, err
	}
	defer keys.Close()
	hostKey, err := keys.HostKeyLine()
	if err != nil {
		return identity{}, err
	}
	current, next, err := keys.WebCertificates(s.ACME.Domains).Hashes()
	if err != nil {
		return identity{}, err
	}
	return newIdentity(keys.NodeID(), hostKey, hex.EncodeToString(current.SHA256[:]), hex.EncodeToString(next.SHA256[:])), nil
}

func runningIdentity(a admin.Identity) (identity, error) {
	cert, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		return identity{}, fmt.Errorf("read the node's answer: %w", err)
	}
	id, ok := auth.CertificateKey(cert).NodeID()
	if !ok || len(a.WebCerts) != 2 {
		return identity{}, errors.New("the node's answer is incomplete: it is of another version; restart it")
	}
	return newIdentity(id, a.SSHHostKey, a.WebCerts[0], a.WebCerts[1]), nil
}

func newIdentity(id auth.NodeID, hostKey, web, next string) identity {
	return identity{NodeID: id.String(), Fingerprint: id.Key().String(), SSHHostKey: hostKey, WebCert: web, NextWebCert: next}
}
