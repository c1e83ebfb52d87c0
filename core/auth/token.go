package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
)

const (
	tokenPrefix = "alk_"
	tokenBytes  = 25 // 200 bits: 40 in the public id, 160 that authenticate
	tokenIDLen  = len(tokenPrefix) + 8

	// minToken leaves room for 128 bits in base64 behind the prefix, so that
	// no shorter secret is ever accepted, whoever made its hash.
	minToken = len(tokenPrefix) + 22
	maxToken = 512

	prefixHash = "sha256:"
)

var tokenEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Token is one API key of the owner's list, without its secret.
type Token struct {
	Name    string    `toml:"name" json:"name"`                          // see CheckName; unique among tokens
	ID      string    `toml:"id" json:"id"`                              // public, for people and logs; proves nothing, need not be unique
	Hash    string    `toml:"hash" json:"hash"`                          // sha256:<64 lower-case hex> of the whole token; unique
	Scopes  []string  `toml:"scopes,omitempty" json:"scopes,omitempty"`  // see ParseScope
	Roles   []string  `toml:"roles,omitempty" json:"roles,omitempty"`    // names in Roles
	Expires time.Time `toml:"expires,omitempty" json:"expires,omitzero"` // zero: never
	Created time.Time `toml:"created,omitempty" json:"created,omitzero"` // when it was made; zero: not known
}

// NewToken makes a token: "alk_" and 40 characters of base32, 160 bits of
// them unknown to who sees the public id. The secret exists in the returned
// value only; the entry keeps its hash. NewToken checks the name; scopes,
// roles and expiry are the caller's to fill in.
func NewToken(name string) (TokenSecret, Token, error) {
	if err := CheckName(name); err != nil {
		return TokenSecret{}, Token{}, &EntryError{Kind: "token", Name: name, Err: err}
	}
	var raw [tokenBytes]byte
	rand.Read(raw[:]) // never fails
	secret := tokenPrefix + tokenEncoding.EncodeToString(raw[:])
	return TokenSecret{secret}, Token{
		Name: name,
		ID:   secret[:tokenIDLen],
		Hash: HashToken(secret),
	}, nil
}

// HashToken returns what a Token entry stores for a secret.
func HashToken(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return prefixHash + hex.EncodeToString(sum[:])
}

// TokenDigest returns the SHA-256 of a token as presented, and false when it
// cannot be one: without the prefix alk_, too short to hold 128 bits, or
// longer than 512 bytes.
func TokenDigest(presented string) (sum [32]byte, ok bool) {
	if len(presented) < minToken || len(presented) > maxToken || !strings.HasPrefix(presented, tokenPrefix) {
		return sum, false
	}
	return sha256.Sum256([]byte(presented)), true
}

// Digest returns the entry's hash as bytes, and an error when Hash is not
// sha256:<64 lower-case hex>.
func (t Token) Digest() (sum [32]byte, err error) {
	text, ok := strings.CutPrefix(t.Hash, prefixHash)
	if !ok {
		return sum, errors.New("the hash must be sha256:<64 hexadecimal digits>")
	}
	if sum, err = parseHex(text); err != nil {
		return sum, fmt.Errorf("the hash must be sha256:<64 hexadecimal digits>: %w", err)
	}
	return sum, nil
}

// Credential returns what a bearer of the token has proved.
func (t Token) Credential() (Credential, error) {
	sum, err := t.Digest()
	if err != nil {
		return Credential{}, &EntryError{Kind: "token", Name: t.Name, Err: err}
	}
	return Credential{TokenID: t.ID, digest: sum}, nil
}

// Validate checks the entry by itself. Its error is an [*EntryError].
func (t Token) Validate(roles Roles) error {
	_, err := t.Grant(roles)
	return err
}

// Grant is Validate, and returns what the token may do.
func (t Token) Grant(roles Roles) (Scopes, error) {
	scopes, err := t.grant(roles)
	if err != nil {
		return nil, &EntryError{Kind: "token", Name: t.Name, Err: err}
	}
	return scopes, nil
}

func (t Token) grant(roles Roles) (Scopes, error) {
	if err := CheckName(t.Name); err != nil {
		return nil, err
	}
	if err := checkTokenID(t.ID); err != nil {
		return nil, err
	}
	if _, err := t.Digest(); err != nil {
		return nil, err
	}
	return roles.Expand(t.Roles, t.Scopes)
}

// checkTokenID also keeps a whole secret, pasted by mistake, out of the list.
func checkTokenID(id string) error {
	if !strings.HasPrefix(id, tokenPrefix) || len(id) < len(tokenPrefix)+4 || len(id) > 16 {
		return errors.New("the id must be the token's first 8 to 16 characters, beginning with alk_")
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return errors.New("the id must be letters, digits, '_' and '-'")
		}
	}
	return nil
}

// TokenSecret is a token's full text. It prints as "[redacted]" in every
// form; Reveal is the only way to the text.
type TokenSecret struct{ text string }

const redacted = "[redacted]"

// Reveal returns the token. Show it once, and store it nowhere.
func (s TokenSecret) Reveal() string { return s.text }

// String returns "[redacted]".
func (s TokenSecret) String() string { return redacted }

// GoString returns "[redacted]".
func (s TokenSecret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (s TokenSecret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns "[redacted]".
func (s TokenSecret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes "[redacted]".
func (s TokenSecret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON writes "[redacted]".
func (s TokenSecret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
