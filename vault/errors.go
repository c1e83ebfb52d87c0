package vault

import (
	"errors"

	"github.com/alkdev/alknet/vault/internal/bip39"
	"github.com/alkdev/alknet/vault/internal/hd"
)

// A WordError says which recovery word is not in the BIP-39 English list:
// Position counts from 1, Suggestion is the nearest word or empty. Its text is
// for the person who typed the words; slog shows the position only.
type WordError = bip39.WordError

// A WordCountError reports a phrase or a request that does not have 12, 15,
// 18, 21 or 24 words.
type WordCountError = bip39.CountError

// A PathError says why a derivation path was refused.
type PathError = hd.PathError

// Answers of an open vault.
var (
	// ErrLocked is returned by everything that needs the secret while the
	// vault is locked.
	ErrLocked = errors.New("vault is locked: unlock it first")

	// ErrUnlocked is returned by the unlocking calls of an unlocked vault.
	ErrUnlocked = errors.New("vault is already unlocked: lock it first")

	// ErrChecksum means that all recovery words are known, but at least one
	// is not the right one or is out of order.
	ErrChecksum = bip39.ErrChecksum

	// ErrEncoding means that the words or the passphrase are not UTF-8 or
	// are longer than 1 KiB (words) or 4 KiB (passphrase).
	ErrEncoding = bip39.ErrEncoding

	// ErrReserved means that a path lies under m/74', whose private keys
	// leave the vault through the purpose functions only.
	ErrReserved = errors.New("paths under m/74' belong to alknet: their private keys do not leave the vault")

	// ErrPurpose means that a key was asked to sign what it must not sign.
	ErrPurpose = errors.New("not a signing input that this key may sign")

	// ErrLabel means that a purpose or label is not 1 to 64 characters of
	// a-z, 0-9 and -.
	ErrLabel = errors.New("purpose must have 1 to 64 characters of a-z, 0-9 and -")

	// ErrTooLong means that an input exceeds the documented limit.
	ErrTooLong = errors.New("input too long")

	// ErrRedacted is returned when a redacted key is decoded.
	ErrRedacted = errors.New("a derived key cannot be decoded: its private half was never written")
)

// Answers about encrypted values.
var (
	// ErrBlob means that an EncryptedData does not have the frozen format.
	ErrBlob = errors.New("malformed encrypted value")

	// ErrKeyVersion means a key version below 2 (made by other software,
	// with keys that this vault does not have) or beyond the last path.
	ErrKeyVersion = errors.New("no key of this version: versions start at 2")

	// ErrDecrypt means a wrong key or a changed value; which of the two
	// cannot be told.
	ErrDecrypt = errors.New("cannot decrypt: wrong vault, or the value was changed")

	// ErrNotText means that the plaintext is not UTF-8, which the format demands.
	ErrNotText = errors.New("encrypted values hold UTF-8 text only")
)

// Answers about the vault file.
var (
	// ErrDamaged means that the vault file is not what was written.
	ErrDamaged = errors.New("vault file is damaged: restore it from a backup, or make a new one from the recovery words")

	// ErrWrongPassphrase means that the file is sealed by another
	// passphrase. (Damage to the few bytes that hold the wrapped key looks
	// the same.)
	ErrWrongPassphrase = errors.New("wrong passphrase for the vault file")

	// ErrWrongKeyFile means that the file is sealed to another key file.
	ErrWrongKeyFile = errors.New("this key file does not open the vault file")

	// ErrWrongSeal means that a passphrase was given for a file sealed to
	// a key file, or the other way round.
	ErrWrongSeal = errors.New("vault file is sealed the other way")

	// ErrKeyFile means that a key file holds no usable age identity.
	ErrKeyFile = errors.New("key file must hold exactly one AGE-SECRET-KEY-1 line")

	// ErrKeyFileMode means that others than the owner may read the key file.
	ErrKeyFileMode = errors.New("key file is readable by others: chmod 600 it, and consider the vault exposed")

	// ErrExists means that Save found a vault file and left it alone.
	ErrExists = errors.New("a vault file is already there: it may hold the only copy of a node's keys, so move it away first")

	// ErrNewer means that a later release wrote the vault file.
	ErrNewer = errors.New("vault file was written by a newer release: upgrade this one")
)
