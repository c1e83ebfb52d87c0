package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const sshEd25519 = "ssh-ed25519"

// ParsePeerKey reads what an owner writes down for a peer: everything that
// [ParseKey] reads, and one OpenSSH public key line, "TYPE BASE64 [comment]".
// A plain ssh-ed25519 line gives the ed25519 form, every other type
// ssh:SHA256. Lines with options (from="…", command="…") are refused, since
// dropping a restriction would grant more than the line says; so are SSH
// certificates, whose worth depends on a CA that nobody consults here.
func ParsePeerKey(s string) (Key, error) {
	if len(s) > maxKeyText {
		return Key{}, fmt.Errorf("parse key: %d bytes are too long", len(s))
	}
	s = strings.TrimSpace(s)
	if !strings.ContainsAny(s, " \t\r\n") {
		return ParseKey(s)
	}
	k, err := parseSSHLine(s)
	if err != nil {
		return Key{}, fmt.Errorf("parse key %q: %w", shorten(s), err)
	}
	return k, nil
}

func parseSSHLine(s string) (Key, error) {
	if strings.ContainsAny(s, "\r\n") {
		return Key{}, errors.New("more than one line; give one key at a time")
	}
	if strings.HasPrefix(s, "-----BEGIN") {
		return Key{}, errors.New("this looks like a private key file; give the .pub file's line")
	}
	fields := strings.Fields(s)
	blob, err := base64.StdEncoding.Strict().DecodeString(fields[1])
	if err != nil {
		return Key{}, errors.New("not an OpenSSH public key line \"TYPE BASE64 [comment]\" (options in front of the type are not supported)")
	}
	if strings.Contains(fields[0], "-cert-v") {
		return Key{}, errors.New("SSH certificates are not supported; give the plain public key")
	}
	k := SSHKey(fields[0], blob)
	if k.IsZero() {
		return Key{}, fmt.Errorf("damaged, or not a key of type %s", fields[0])
	}
	return k, nil
}

// SSHKey returns the Key of an SSH public key: keyType is its algorithm name
// and blob its wire form (RFC 4253 section 6.6). A plain ssh-ed25519 key
// (RFC 8709) gives the ed25519 form, every other type ssh:SHA256. It returns
// the zero Key when blob does not begin with keyType, when an ssh-ed25519
// blob is malformed or no usable point, and for SSH certificates.
func SSHKey(keyType string, blob []byte) Key {
	name, rest, ok := cutString(blob)
	if !ok || keyType == "" || string(name) != keyType || len(rest) == 0 || strings.Contains(keyType, "-cert-v") {
		return Key{}
	}
	if keyType != sshEd25519 {
		return Key{keySSH, sha256.Sum256(blob)}
	}
	point, rest, ok := cutString(rest)
	if !ok || len(rest) != 0 {
		return Key{}
	}
	return Ed25519Key(point)
}

// cutString splits one RFC 4251 section 5 string off b.
func cutString(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint32(b)
	b = b[4:]
	if uint64(n) > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}
