package core

import (
	"log/slog"
	"net"
	"sync"

	"github.com/alkdev/alknet/core/auth"
)

// Identity is who somebody is; see package auth.
type Identity = auth.Identity

// IdentityProvider resolves keys and tokens; see package auth.
type IdentityProvider = auth.IdentityProvider

// AuthContext is what is known about the other end of one connection when its
// handler starts. Its fields are read-only.
type AuthContext struct {
	Identity   Identity // zero if the handshake proved no listed key
	ALPN       string
	RemoteAddr net.Addr
	Key        auth.Key // proved by the handshake, listed or not; zero if none

	// Attempted, if set, is told of every LogAttempt. It must not block.
	// Whoever accepts connections sets it, before the handler starts.
	Attempted func(Attempt)

	prove func(Identity) error

	proving sync.Mutex // held during Prove, also around prove, which may ask Who
	mu      sync.Mutex // protects proven
	proven  *Identity
}

// NewAuthContext is for those who accept connections. prove, if not nil, is
// told of the identity that a handler proves and may refuse it, for example
// because of a limit.
func NewAuthContext(id Identity, key auth.Key, alpn string, remote net.Addr, prove func(Identity) error) *AuthContext {
	return &AuthContext{Identity: id, Key: key, ALPN: alpn, RemoteAddr: remote, prove: prove}
}

// Prove reports an identity that the protocol itself established, such as the
// owner of an SSH key, so that limits, status and revocation apply to it. Call
// it once, after the proof and before any work; on an error do none.
func (a *AuthContext) Prove(id Identity) error {
	a.proving.Lock()
	defer a.proving.Unlock()
	if a.proven != nil {
		return ErrAlreadyProven
	}
	if a.prove != nil {
		if err := a.prove(id); err != nil {
			return err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.proven = &id
	return nil
}

// Who is the identity proved last: the handler's, else that of the handshake.
func (a *AuthContext) Who() Identity {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.proven != nil {
		return *a.proven
	}
	return a.Identity
}

// An Attempt is one try to prove who one is.
type Attempt struct {
	Method     string // "tls", "publickey" and the like
	Credential string // public: a key's text or a token's id; may be empty
	Err        error  // nil if it succeeded
}

// LogAttempt writes the one line that every authentication attempt gets, with
// the validated address first so that log watchers such as fail2ban can match
// it. credential is public (a key's text or a token's id), and err nil if the
// attempt succeeded.
func (a *AuthContext) LogAttempt(log *slog.Logger, method, credential string, err error) {
	if a.Attempted != nil {
		a.Attempted(Attempt{method, credential, err})
	}
	if log == nil {
		return
	}
	result, why := "accept", ""
	if err != nil {
		result, why = "reject", err.Error()
	}
	log.Info("auth attempt", "remote_addr", addrString(a.RemoteAddr), "alpn", a.ALPN, "method", method,
		"key", credential, "result", result, "reason", why)
}

func addrString(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}
