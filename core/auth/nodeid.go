package auth

import (
	"crypto/ed25519"
	"encoding/base32"
	"errors"
	"fmt"
)

const nodeIDLen = 52

var zbase32 = base32.NewEncoding("ybndrfg8ejkmcpqxot1uwisza345h769").WithPadding(base32.NoPadding)

// NodeID is a node's Ed25519 public key as people read it: 52 characters of
// z-base-32, the way pkarr writes keys into DNS names. It is comparable; the
// zero NodeID names no node and its text is empty.
type NodeID [32]byte

// ParseNodeID reads a node id. It accepts one spelling only: lower-case, 52
// characters, the four unused trailing bits zero. The key must be a canonical
// curve point and not of small order, as for [ParseKey].
func ParseNodeID(s string) (NodeID, error) {
	if len(s) != nodeIDLen {
		return NodeID{}, fmt.Errorf("parse node id %q: want %d characters, got %d", shorten(s), nodeIDLen, len(s))
	}
	raw, err := zbase32.DecodeString(s)
	if err != nil || len(raw) != len(NodeID{}) || zbase32.EncodeToString(raw) != s {
		return NodeID{}, fmt.Errorf("parse node id %q: not canonical z-base-32 (lower-case, no 0, 2, l or v)", s)
	}
	id := NodeID(raw)
	if !validPoint((*[32]byte)(&id)) {
		return NodeID{}, fmt.Errorf("parse node id %q: %w", s, errWeakPoint)
	}
	return id, nil
}

// String returns the 52 characters, or "" for the zero NodeID.
func (id NodeID) String() string {
	if id.IsZero() {
		return ""
	}
	return zbase32.EncodeToString(id[:])
}

// IsZero reports whether id names no node.
func (id NodeID) IsZero() bool { return id == NodeID{} }

// Key returns the node's key, or the zero Key when id is no valid point.
func (id NodeID) Key() Key { return Ed25519Key(id[:]) }

// PublicKey returns the node's public key. The slice is the caller's.
func (id NodeID) PublicKey() ed25519.PublicKey {
	return ed25519.PublicKey(append([]byte(nil), id[:]...))
}

// MarshalText writes what String returns.
func (id NodeID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what ParseNodeID reads.
func (id *NodeID) UnmarshalText(text []byte) error {
	if len(text) > nodeIDLen {
		return errors.New("parse node id: too long")
	}
	if len(text) == 0 {
		*id = NodeID{}
		return nil
	}
	parsed, err := ParseNodeID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
