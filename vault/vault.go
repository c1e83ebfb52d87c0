package vault

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/alkdev/alknet/vault/internal/bip39"
	"github.com/alkdev/alknet/vault/internal/hd"
)

// A Vault holds one secret, from which every key of a node is derived. It is
// locked (and knows nothing) or unlocked.
//
// All methods may be called by several goroutines. Keys derived once stay in
// memory for up to an hour (at most 64 of them); Lock wipes them with the
// secret. A vault prints as its state, never as its content.
//
// The zero value is a locked vault.
type Vault struct {
	mu    sync.RWMutex
	held  *secret // nil while locked
	cache keyCache
}

// A secret is what an unlocked vault holds.
type secret struct {
	seed       []byte
	phrase     []byte
	passphrase []byte
	created    time.Time
}

func (s *secret) wipe() {
	clear(s.seed)
	clear(s.phrase)
	clear(s.passphrase)
}

// New returns a locked vault.
func New() *Vault { return new(Vault) }

// Unlock opens the vault with recovery words and an optional BIP-39
// passphrase ("" for none). Upper case and any white space are accepted; both
// texts are normalised to NFKD.
//
// It returns ErrUnlocked, a *WordError, a *WordCountError, ErrChecksum or
// ErrEncoding. A wrong passphrase is not an error: it is another vault.
func (v *Vault) Unlock(phrase, passphrase string) error {
	canonical, err := bip39.Parse(phrase)
	if err != nil {
		return err
	}
	return v.unlock(&secret{phrase: canonical, passphrase: []byte(passphrase), created: time.Now()})
}

// UnlockNew draws fresh entropy from the system, opens the vault with it and
// returns the recovery words: 12, 15, 18, 21 or 24 of them, without a BIP-39
// passphrase. Show them once, then Destroy them.
//
// It returns ErrUnlocked or a *WordCountError.
func (v *Vault) UnlockNew(words int) (*Mnemonic, error) {
	size, err := bip39.EntropySize(words)
	if err != nil {
		return nil, err
	}
	entropy := make([]byte, size)
	defer clear(entropy)
	if _, err := rand.Read(entropy); err != nil {
		return nil, fmt.Errorf("read entropy: %w", err)
	}
	phrase, err := bip39.FromEntropy(entropy)
	if err != nil {
		return nil, err
	}
	m := newMnemonic(phrase)
	if err := v.unlock(&secret{phrase: phrase, created: time.Now()}); err != nil {
		m.Destroy()
		return nil, err
	}
	return m, nil
}

// unlock owns s.
func (v *Vault) unlock(s *secret) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.held != nil {
		s.wipe()
		return ErrUnlocked
	}
	if s.seed == nil {
		seed, err := bip39.Seed(string(s.phrase), string(s.passphrase))
		if err != nil {
			s.wipe()
			return err
		}
		s.seed = seed
	}
	v.held = s
	return nil
}

// Lock wipes the secret and every cached key. Signers made earlier return
// ErrLocked until the vault is unlocked again. Locking a locked vault does
// nothing.
func (v *Vault) Lock() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.held != nil {
		v.held.wipe()
		v.held = nil
	}
	v.cache.clear()
}

// Unlocked reports whether the vault holds a secret.
func (v *Vault) Unlocked() bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.held != nil
}

// Words returns a copy of the recovery words, for a backup. Anyone who has
// them (and the BIP-39 passphrase, if one was used) is this node.
//
// It returns ErrLocked, or ErrDamaged if the words are not those of the keys
// in use.
func (v *Vault) Words() (*Mnemonic, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.held == nil {
		return nil, ErrLocked
	}
	seed, err := bip39.Seed(string(v.held.phrase), string(v.held.passphrase))
	if err != nil {
		return nil, err
	}
	defer clear(seed)
	if subtle.ConstantTimeCompare(seed, v.held.seed) != 1 {
		return nil, fmt.Errorf("export words: %w (the seed in the vault file is not that of its words)", ErrDamaged)
	}
	return newMnemonic(v.held.phrase), nil
}

// with runs f on a derived key that no eviction and no Lock wipes meanwhile.
func (v *Vault) with(kind KeyType, p hd.Path, f func(*cacheEntry) error) error {
	e, err := v.acquire(kind, p)
	if err != nil {
		return err
	}
	defer v.cache.put(e)
	return f(e)
}

// acquire holds the vault's lock throughout, so that no key enters the cache
// after Lock has cleared it.
func (v *Vault) acquire(kind KeyType, p hd.Path) (*cacheEntry, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.held == nil {
		return nil, ErrLocked
	}
	key := cacheKey{kind, p.String()}
	if e := v.cache.get(key); e != nil {
		return e, nil
	}
	e, err := derive(v.held.seed, kind, p)
	if err != nil {
		return nil, err
	}
	e.key = key
	v.cache.add(e)
	return e, nil
}

func derive(seed []byte, kind KeyType, p hd.Path) (*cacheEntry, error) {
	step := hd.Ed25519
	if kind == Secp256k1 {
		step = hd.Secp256k1
	}
	k, err := step(seed, p)
	if err != nil {
		return nil, err
	}
	defer k.Wipe()
	switch kind {
	case Ed25519:
		private := ed25519.NewKeyFromSeed(k.Private[:])
		return &cacheEntry{private: private, public: private.Public().(ed25519.PublicKey)}, nil
	case AES256GCM:
		return &cacheEntry{private: append([]byte(nil), k.Private[:]...)}, nil
	case Secp256k1:
		return &cacheEntry{private: append([]byte(nil), k.Private[:]...), public: k.Secp256k1Public()}, nil
	}
	return nil, fmt.Errorf("derive key: unknown key type %d", kind)
}

func (v *Vault) state() string {
	if v.Unlocked() {
		return "vault (unlocked)"
	}
	return "vault (locked)"
}

// String returns the state of the vault.
func (v *Vault) String() string { return v.state() }

// Format prints the state of the vault, whatever the verb.
func (v *Vault) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, v.state()) }

// LogValue logs the state of the vault.
func (v *Vault) LogValue() slog.Value { return slog.StringValue(v.state()) }
