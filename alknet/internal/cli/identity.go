package cli

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"github.com/alkdev/alknet/alknet/internal/admin"
	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/internal/keyring"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/vault"
)

// ownIdentity is who the command is to the nodes that it dials. It may still
// be on its way out of the vault while the first packets travel.
type ownIdentity struct {
	exists bool          // false: nobody
	ready  chan struct{} // closed when what follows is set
	cert   *tls.Certificate
	keys   *keyring.Keys // nil if the running node signs
	err    error
}

// identify finds the certificate to show. A vault that a passphrase seals is
// not opened while the running node can sign.
func (e *env) identify(ctx context.Context, d datadir.Dir) (*ownIdentity, error) {
	o := &ownIdentity{ready: make(chan struct{})}
	switch err := d.Check(); {
	case errors.Is(err, datadir.ErrEmpty):
		close(o.ready)
		return o, nil
	case err != nil:
		return nil, err
	}
	o.exists = true
	kind, err := vault.SealOf(d.Vault())
	if err == nil && kind == vault.SealedByKeyFile {
		go o.open(ctx, d, nil)
		return o, nil
	}
	if err == nil {
		socket, err := d.Socket()
		if err != nil {
			return nil, err
		}
		if o.cert, err = signThrough(ctx, admin.NewClient(socket)); err == nil {
			close(o.ready)
			return o, nil
		}
		if !errors.Is(err, admin.ErrNotRunning) {
			return nil, err
		}
	}
	o.open(ctx, d, e.passphrase) // before the dial, whose time runs: somebody types
	return o, o.err
}

func (o *ownIdentity) open(ctx context.Context, d datadir.Dir, prompt keyring.Prompt) {
	defer close(o.ready)
	if o.keys, o.err = keyring.Open(ctx, d, prompt); o.err != nil {
		return
	}
	cert, err := o.keys.Certificate()
	o.cert, o.err = &cert, err
}

// certificate waits for the vault. It is nil for nobody.
func (o *ownIdentity) certificate(ctx context.Context) (*tls.Certificate, error) {
	select {
	case <-o.ready:
		return o.cert, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// key is zero for nobody, and for a vault that cannot be opened.
func (o *ownIdentity) key() auth.Key {
	<-o.ready
	if o.err != nil || o.cert == nil {
		return auth.Key{}
	}
	leaf, err := x509.ParseCertificate(o.cert.Certificate[0])
	if err != nil {
		return auth.Key{}
	}
	return auth.CertificateKey(leaf)
}

func (o *ownIdentity) close() {
	<-o.ready
	if o.keys != nil {
		o.keys.Close()
	}
}

func signThrough(ctx context.Context, node *admin.Client) (*tls.Certificate, error) {
	id, err := node.Identity(ctx)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(id.Certificate)
	if err != nil {
		return nil, fmt.Errorf("read the node's answer: %w", err)
	}
	return &tls.Certificate{
		Certificate:                  [][]byte{id.Certificate},
		PrivateKey:                   nodeSigner{leaf.PublicKey, func(m []byte) ([]byte, error) { return node.Sign(ctx, m) }},
		SupportedSignatureAlgorithms: []tls.SignatureScheme{tls.Ed25519},
	}, nil
}

// nodeSigner has the running node sign.
type nodeSigner struct {
	public crypto.PublicKey
	sign   func(message []byte) ([]byte, error)
}

func (s nodeSigner) Public() crypto.PublicKey { return s.public }

func (s nodeSigner) Sign(_ io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	return s.sign(message)
}
