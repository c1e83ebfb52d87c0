// Package hd derives keys from a seed: SLIP-0010 for Ed25519 and BIP-32 for
// secp256k1, along one strict path syntax.
package hd

import (
	"fmt"
	"strconv"
	"strings"
)

// Hardened is added to an index to mark hardened derivation (BIP-32).
const Hardened = 1 << 31

// BIP-32 serialises the depth in one byte.
const maxDepth = 255

// A Path is a list of child indices from the master key down.
type Path []uint32

// A PathError says why a derivation path was refused.
type PathError struct {
	Path   string // as given, cut to a readable length
	Reason string
}

// Error implements error.
func (e *PathError) Error() string {
	return fmt.Sprintf("derivation path %q: %s", e.Path, e.Reason)
}

// ParsePath reads "m" or "m/74'/0'/0'": decimal indices below 2^31 without
// leading zeros, each followed by at most one ' or h, which makes it hardened.
func ParsePath(s string) (Path, error) {
	fail := func(format string, args ...any) (Path, error) {
		shown := s
		if len(shown) > 64 {
			shown = shown[:64] + "…"
		}
		return nil, &PathError{Path: shown, Reason: fmt.Sprintf(format, args...)}
	}
	if s == "m" {
		return Path{}, nil
	}
	rest, ok := strings.CutPrefix(s, "m/")
	if !ok {
		return fail("must be m or start with m/")
	}
	depth := strings.Count(rest, "/") + 1
	if depth > maxDepth {
		return fail("%d levels, at most %d are possible", depth, maxDepth)
	}
	p := make(Path, 0, depth)
	for level := range strings.SplitSeq(rest, "/") {
		digits, hardened := level, uint32(0)
		if d, ok := strings.CutSuffix(level, "'"); ok {
			digits, hardened = d, Hardened
		} else if d, ok := strings.CutSuffix(level, "h"); ok {
			digits, hardened = d, Hardened
		}
		n, err := strconv.ParseUint(digits, 10, 31)
		if err != nil || (len(digits) > 1 && digits[0] == '0') {
			return fail("level %d is not a number from 0 to 2147483647, with an optional ' or h", len(p)+1)
		}
		p = append(p, uint32(n)|hardened)
	}
	return p, nil
}

// String returns the canonical form, with ' for hardened levels.
func (p Path) String() string {
	b := []byte{'m'}
	for _, i := range p {
		b = strconv.AppendUint(append(b, '/'), uint64(i&^Hardened), 10)
		if i&Hardened != 0 {
			b = append(b, '\'')
		}
	}
	return string(b)
}

// Within reports whether p lies in the subtree of parent, parent included.
func (p Path) Within(parent Path) bool {
	if len(p) < len(parent) {
		return false
	}
	for i, index := range parent {
		if p[i] != index {
			return false
		}
	}
	return true
}
