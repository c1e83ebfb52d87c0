package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/alkdev/alknet/vault/internal/atomicfile"
	"github.com/alkdev/alknet/vault/internal/bip39"
)

// fileVersion is the version of the JSON document inside the age file.
const fileVersion = 1

// document is the plaintext of a vault file. The seed follows from the two
// above it; it is kept because deriving it costs more than all else that a
// command does before its first packet (docs/decisions/0010).
type document struct {
	Version    int        `json:"version"`
	Mnemonic   secretText `json:"mnemonic"`
	Passphrase secretText `json:"passphrase,omitempty"`
	Seed       []byte     `json:"seed,omitempty"`
	Created    time.Time  `json:"created"`
}

var (
	errWords    = errors.New("the recovery words in it are wrong")
	errSeedSize = errors.New("the seed in it has the wrong size")
)

// secretText is text in a slice, which can be wiped.
type secretText []byte

func (s secretText) MarshalText() ([]byte, error) { return s, nil }

func (s *secretText) UnmarshalText(text []byte) error {
	*s = bytes.Clone(text)
	return nil
}

// Save writes the secret of an unlocked vault to a new file that only its
// owner can read, sealed by s. The file appears whole or, after a crash, not
// at all. A file that is already there is left alone.
//
// It returns ErrLocked, ErrExists, the errors of a key file (ErrKeyFile,
// ErrKeyFileMode), or what the file system says.
func (v *Vault) Save(path string, s Seal) error {
	plaintext, err := v.plaintext()
	if err != nil {
		return err
	}
	defer clear(plaintext)
	sealed, err := s.wrap(plaintext)
	if err != nil {
		return fmt.Errorf("seal vault: %w", err)
	}
	err = atomicfile.Create(path, sealed)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("save vault %s: %w", path, ErrExists)
	}
	if err != nil {
		return fmt.Errorf("save vault %s: %w", path, err)
	}
	return nil
}

// Open unlocks the vault with the secret in a file that Save wrote.
//
// It returns ErrUnlocked, ErrWrongPassphrase, ErrWrongKeyFile, ErrWrongSeal,
// ErrDamaged, ErrNewer, the errors of a key file (ErrKeyFile,
// ErrKeyFileMode), or what the file system says (fs.ErrNotExist).
func (v *Vault) Open(path string, s Seal) error {
	if v.Unlocked() {
		return ErrUnlocked
	}
	plaintext, err := unsealFile(path, s)
	if err != nil {
		return err
	}
	defer clear(plaintext)
	held, err := decodeDocument(plaintext)
	if err != nil {
		return fmt.Errorf("open vault %s: %w", path, err)
	}
	return v.unlock(held)
}

// Reseal changes what opens a vault file, from one seal to another. The
// content stays the same; a crash leaves the file with the one seal or the
// other. An old key file stays where it is, because old copies of the vault
// file still need it: remove it when none is left.
//
// Its errors are those of Open and Save.
func Reseal(path string, from, to Seal) error {
	plaintext, err := unsealFile(path, from)
	if err != nil {
		return err
	}
	defer clear(plaintext)
	held, err := decodeDocument(plaintext)
	if err != nil {
		return fmt.Errorf("open vault %s: %w", path, err)
	}
	held.wipe()
	sealed, err := to.wrap(plaintext)
	if err != nil {
		return fmt.Errorf("seal vault: %w", err)
	}
	if err := atomicfile.Replace(path, sealed); err != nil {
		return fmt.Errorf("save vault %s: %w", path, err)
	}
	return nil
}

// SealOf says what opens a vault file, without opening it.
//
// It returns ErrDamaged or what the file system says (fs.ErrNotExist).
func SealOf(path string) (SealKind, error) {
	sealed, err := readVault(path)
	if err != nil {
		return 0, err
	}
	kind, err := sealKind(sealed)
	if err != nil {
		return 0, fmt.Errorf("open vault %s: %w", path, err)
	}
	return kind, nil
}

func readVault(path string) ([]byte, error) {
	sealed, err := readFile(path, false)
	if errors.Is(err, ErrTooLong) {
		return nil, fmt.Errorf("open vault %s: %w (longer than %d bytes)", path, ErrDamaged, maxFileSize)
	}
	if err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	return sealed, nil
}

func unsealFile(path string, s Seal) ([]byte, error) {
	sealed, err := readVault(path)
	if err != nil {
		return nil, err
	}
	plaintext, err := s.unwrap(sealed)
	if err != nil {
		return nil, fmt.Errorf("open vault %s: %w", path, err)
	}
	return plaintext, nil
}

func (v *Vault) plaintext() ([]byte, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.held == nil {
		return nil, ErrLocked
	}
	return json.Marshal(document{
		Version:    fileVersion,
		Mnemonic:   v.held.phrase,
		Passphrase: v.held.passphrase,
		Seed:       v.held.seed,
		Created:    v.held.created.UTC().Truncate(time.Second),
	})
}

// decodeDocument returns a secret, without its seed if the file has none.
func decodeDocument(plaintext []byte) (*secret, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(plaintext, &head); err != nil || head.Version < 1 {
		return nil, fmt.Errorf("%w (its content is not a vault document)", ErrDamaged)
	}
	if head.Version > fileVersion {
		return nil, fmt.Errorf("%w (its version is %d, known is %d)", ErrNewer, head.Version, fileVersion)
	}
	var d document
	dec := json.NewDecoder(bytes.NewReader(plaintext))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("%w (its content is not a version %d document)", ErrDamaged, fileVersion)
	}
	canonical, err := bip39.Parse(string(d.Mnemonic))
	clear(d.Mnemonic)
	if err != nil {
		err = errWords
	}
	if err == nil && len(d.Seed) != 0 && len(d.Seed) != bip39.SeedSize {
		err = errSeedSize
	}
	if err != nil {
		clear(d.Passphrase)
		clear(d.Seed)
		return nil, fmt.Errorf("%w (%v)", ErrDamaged, err)
	}
	return &secret{seed: d.Seed, phrase: canonical, passphrase: d.Passphrase, created: d.Created}, nil
}
