package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"filippo.io/age"

	"github.com/alkdev/alknet/vault/internal/atomicfile"
)

// A Seal says what opens a vault file: a key file or a passphrase. The stock
// age tool opens the file by the same means: "age -d -i KEYFILE vault.age", or
// "age -d vault.age" and the passphrase. Make one with KeyFile or Passphrase.
type Seal struct {
	redaction
	keyFile    string
	passphrase *sensitive
	work       int // scrypt work factor, 0 for the default
}

// A SealKind tells the two kinds of seal apart.
type SealKind uint8

const (
	SealedByKeyFile    SealKind = iota + 1 // age recipient type X25519
	SealedByPassphrase                     // age recipient type scrypt
)

// String returns "key file" or "passphrase".
func (k SealKind) String() string {
	switch k {
	case SealedByKeyFile:
		return "key file"
	case SealedByPassphrase:
		return "passphrase"
	}
	return fmt.Sprintf("SealKind(%d)", uint8(k))
}

// KeyFile seals to the age X25519 identity in a file that only its owner may
// read (mode 0600). The file of another owner who lets this process read it, as a
// service manager does with a credential, may be readable for a group (0440).
// Sealing makes the file if it is missing. It protects the
// vault file where that travels alone, as in a backup; it does not protect
// against somebody who can read both.
func KeyFile(path string) Seal {
	return Seal{redaction: redaction{"key file " + path}, keyFile: path}
}

// Passphrase seals by a passphrase, stretched with scrypt (N = 2^18: about a
// second and 256 MiB for each opening). It is used byte for byte, as the age
// tool does, and must not be empty.
func Passphrase(passphrase string) Seal {
	return Seal{redaction: redaction{"passphrase"}, passphrase: keep([]byte(passphrase))}
}

func (s Seal) kind() SealKind {
	if s.passphrase != nil {
		return SealedByPassphrase
	}
	return SealedByKeyFile
}

const (
	defaultWork = 18
	maxWork     = 20 // 1 GiB: more is not ours, and a cheap way to exhaust a small machine
	maxFileSize = 64 << 10
)

var errEmptyPassphrase = errors.New("passphrase is empty")

func (s Seal) recipient() (age.Recipient, error) {
	if s.passphrase == nil {
		id, err := loadOrMakeKeyFile(s.keyFile)
		if err != nil {
			return nil, err
		}
		return id.Recipient(), nil
	}
	if len(s.passphrase.b) == 0 {
		return nil, errEmptyPassphrase
	}
	r, err := age.NewScryptRecipient(string(s.passphrase.b))
	if err != nil {
		return nil, err
	}
	work := s.work
	if work == 0 {
		work = defaultWork
	}
	r.SetWorkFactor(work)
	return r, nil
}

func (s Seal) identity() (age.Identity, error) {
	if s.passphrase == nil {
		return loadKeyFile(s.keyFile)
	}
	if len(s.passphrase.b) == 0 {
		return nil, ErrWrongPassphrase
	}
	id, err := age.NewScryptIdentity(string(s.passphrase.b))
	if err != nil {
		return nil, err
	}
	id.SetMaxWorkFactor(maxWork)
	return id, nil
}

// wrap encrypts a short plaintext.
func (s Seal) wrap(plaintext []byte) ([]byte, error) {
	r, err := s.recipient()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, r)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plaintext); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// unwrap decrypts what wrap, or the age tool, made. The caller wipes the result.
func (s Seal) unwrap(sealed []byte) ([]byte, error) {
	kind, err := sealKind(sealed)
	if err != nil {
		return nil, err
	}
	if kind != s.kind() {
		return nil, fmt.Errorf("%w: it needs the %v", ErrWrongSeal, kind)
	}
	id, err := s.identity()
	if err != nil {
		return nil, err
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), id)
	if noMatch := new(age.NoIdentityMatchError); errors.As(err, &noMatch) {
		if kind == SealedByPassphrase {
			return nil, ErrWrongPassphrase
		}
		return nil, ErrWrongKeyFile
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%v)", ErrDamaged, err)
	}
	plaintext, err := io.ReadAll(io.LimitReader(r, maxFileSize))
	if err != nil {
		clear(plaintext)
		return nil, fmt.Errorf("%w (%v)", ErrDamaged, err)
	}
	return plaintext, nil
}

// sealKind reads the recipient lines of the header (age-encryption.org/v1).
func sealKind(sealed []byte) (SealKind, error) {
	header, ok := bytes.CutPrefix(sealed, []byte("age-encryption.org/v1\n"))
	if !ok {
		return 0, fmt.Errorf("%w (it does not start as an age file)", ErrDamaged)
	}
	for line := range bytes.Lines(header) {
		switch {
		case bytes.HasPrefix(line, []byte("-> scrypt ")):
			return SealedByPassphrase, nil
		case bytes.HasPrefix(line, []byte("-> X25519 ")):
			return SealedByKeyFile, nil
		case bytes.HasPrefix(line, []byte("---")):
			return 0, fmt.Errorf("%w (no recipient of a known type)", ErrDamaged)
		}
	}
	return 0, fmt.Errorf("%w (its header has no end)", ErrDamaged)
}

func loadOrMakeKeyFile(path string) (*age.X25519Identity, error) {
	id, err := loadKeyFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if id, err = age.GenerateX25519Identity(); err != nil {
		return nil, fmt.Errorf("make key file: %w", err)
	}
	text := fmt.Appendf(nil, "# Opens the vault file of an alknet node. Keep it secret.\n# public key: %s\n%s\n", id.Recipient(), id)
	defer clear(text)
	if err := atomicfile.Create(path, text); errors.Is(err, fs.ErrExist) {
		return loadKeyFile(path)
	} else if err != nil {
		return nil, fmt.Errorf("make key file %s: %w", path, err)
	}
	return id, nil
}

func loadKeyFile(path string) (*age.X25519Identity, error) {
	text, err := readFile(path, true)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	defer clear(text)
	var found *age.X25519Identity
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		// The error of the parser would quote the key.
		id, err := age.ParseX25519Identity(line)
		if err != nil || found != nil {
			return nil, fmt.Errorf("read key file %s: %w", path, ErrKeyFile)
		}
		found = id
	}
	if found == nil {
		return nil, fmt.Errorf("read key file %s: %w", path, ErrKeyFile)
	}
	return found, nil
}

// readFile reads a small file; a private one must not be open to others.
func readFile(path string, private bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if private && info.Mode().Perm()&forbidden(info) != 0 {
		return nil, fmt.Errorf("%s has mode %04o: %w", path, info.Mode().Perm(), ErrKeyFileMode)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFileSize {
		clear(b)
		return nil, fmt.Errorf("%s is longer than %d bytes: %w", path, maxFileSize, ErrTooLong)
	}
	return b, nil
}
