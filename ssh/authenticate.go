package ssh

import (
	"context"
	"crypto/rsa"
	"errors"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

// serverVersion tells no version number to strangers.
const serverVersion = "SSH-2.0-alknet"

// Algorithms by preference: RFC 9142 without what it calls weak, and nothing
// that makes the server compute with large primes for strangers.
var (
	keyExchanges = []string{gossh.KeyExchangeMLKEM768X25519, gossh.KeyExchangeCurve25519, gossh.KeyExchangeECDHP256}
	ciphers      = []string{
		gossh.CipherAES128GCM, gossh.CipherAES256GCM, gossh.CipherChaCha20Poly1305,
		gossh.CipherAES256CTR, gossh.CipherAES192CTR, gossh.CipherAES128CTR,
	}
	macs        = []string{gossh.HMACSHA256ETM, gossh.HMACSHA512ETM}
	userKeyAlgs = []string{
		gossh.KeyAlgoED25519, gossh.KeyAlgoSKED25519, gossh.KeyAlgoSKECDSA256,
		gossh.KeyAlgoECDSA256, gossh.KeyAlgoECDSA384, gossh.KeyAlgoECDSA521,
		gossh.KeyAlgoRSASHA256, gossh.KeyAlgoRSASHA512,
	}
)

const (
	maxAuthTries = 6
	minRSABits   = 2048
	maxRSABits   = 8192
)

// identityKey finds the proved identity in gossh.Permissions.ExtraData.
type identityKey struct{}

// authenticator authenticates one SSH connection. Its methods are called one
// after the other by gossh.NewServerConn.
type authenticator struct {
	ctx context.Context
	*connection

	key   auth.Key // of the attempt that has no log line yet
	tried bool     // something was refused
}

func (a *authenticator) config() *gossh.ServerConfig {
	cfg := &gossh.ServerConfig{
		Config:                    gossh.Config{KeyExchanges: keyExchanges, Ciphers: ciphers, MACs: macs},
		PublicKeyAuthAlgorithms:   userKeyAlgs,
		MaxAuthTries:              maxAuthTries,
		ServerVersion:             serverVersion,
		NoClientAuth:              true,
		NoClientAuthCallback:      a.none,
		PublicKeyCallback:         a.offered,
		VerifiedPublicKeyCallback: a.verified,
		AuthLogCallback:           a.attempted,
	}
	if banner := a.server.Banner; banner != "" {
		cfg.BannerCallback = func(gossh.ConnMetadata) string { return banner }
	}
	for _, k := range a.server.HostKeys {
		cfg.AddHostKey(k)
	}
	return cfg
}

// none accepts the peer whom the TLS handshake of this connection proved, if
// there is anything for them to do here; otherwise an SSH key may say more.
func (a *authenticator) none(gossh.ConnMetadata) (*gossh.Permissions, error) {
	if a.who.Identity.IsZero() {
		return nil, gossh.ErrNoAuth
	}
	id, err := a.server.Identities.Refresh(a.ctx, a.who.Identity)
	if err != nil || !a.server.serves(id) {
		return nil, gossh.ErrNoAuth
	}
	a.key = id.Credential.Key
	if err := a.bind(id, false); err != nil {
		return nil, err
	}
	return permissions(id), nil
}

// offered answers whether a key is worth a signature. What it learns must not
// become the identity: the client may go on to sign with another key
// (CVE-2024-45337).
func (a *authenticator) offered(_ gossh.ConnMetadata, pub gossh.PublicKey) (*gossh.Permissions, error) {
	_, err := a.resolve(pub)
	return nil, err
}

// verified is told of the key whose signature was checked.
func (a *authenticator) verified(_ gossh.ConnMetadata, pub gossh.PublicKey, _ *gossh.Permissions, _ string) (*gossh.Permissions, error) {
	id, err := a.resolve(pub)
	if err != nil {
		return nil, err
	}
	if err := a.bind(id, true); err != nil {
		return nil, err
	}
	return permissions(id), nil
}

func (a *authenticator) resolve(pub gossh.PublicKey) (auth.Identity, error) {
	if _, ok := pub.(*gossh.Certificate); ok {
		return auth.Identity{}, errors.New("SSH certificates are not accepted")
	}
	a.key = auth.SSHKey(pub.Type(), pub.Marshal())
	if a.key.IsZero() {
		return auth.Identity{}, errors.New("not a usable public key")
	}
	if c, ok := pub.(gossh.CryptoPublicKey); ok {
		if r, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok && (r.N.BitLen() < minRSABits || r.N.BitLen() > maxRSABits) {
			return auth.Identity{}, errors.New("RSA keys must have 2048 to 8192 bits")
		}
	}
	return a.server.Identities.ByKey(a.ctx, a.key)
}

func permissions(id auth.Identity) *gossh.Permissions {
	return &gossh.Permissions{ExtraData: map[any]any{identityKey{}: id}}
}

func (a *authenticator) attempted(_ gossh.ConnMetadata, method string, err error) {
	if method == "none" {
		if errors.Is(err, gossh.ErrNoAuth) {
			return // how clients ask for the list of methods
		}
		method = "tls"
	}
	if err != nil {
		a.tried = true
	}
	a.who.LogAttempt(a.server.Logger, method, a.key.String(), err)
	a.key = auth.Key{}
}

// failed accounts for a handshake that ended with nobody authenticated.
func (a *authenticator) failed(err error) *core.HandlerError {
	if !a.key.IsZero() {
		a.attempted(nil, "publickey", errors.New("the key was offered but not proved"))
	}
	he := handshakeError(err)
	if a.who.Identity.IsZero() && (a.tried || he.Code == core.CodeTimeout) {
		a.fail()
	}
	return he
}

// serves reports whether there is anything that id may do here.
func (s *Server) serves(id auth.Identity) bool {
	if id.AllowSome("ssh", "exec") || id.Allow(auth.Do("ssh", "shell")) {
		return true
	}
	for _, sub := range s.Subsystems {
		if sub.Allow != nil && sub.Allow(id) {
			return true
		}
	}
	return false
}
