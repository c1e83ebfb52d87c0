// Package bip39 turns entropy into recovery words and back, and words into a
// seed (BIP-39), for the English list. Phrases and passphrases are normalised
// to NFKD as the document demands.
package bip39

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// SeedSize is the length of a seed in bytes.
	SeedSize = 64

	maxPhrase     = 1 << 10 // 24 words of 8 letters take 215 bytes
	maxPassphrase = 4 << 10
	rounds        = 2048
	bitsPerWord   = 11
)

// ErrChecksum reports a phrase of known words whose checksum does not match.
var ErrChecksum = errors.New("recovery words do not match their checksum: every word is in the list, but at least one is wrong or out of order; compare them with your copy")

// ErrEncoding reports text that is not UTF-8 or is longer than any phrase.
var ErrEncoding = errors.New("recovery words or passphrase too long or not UTF-8")

// A CountError reports a phrase or a request of the wrong length.
type CountError struct {
	Words int // how many there were
}

// Error implements error.
func (e *CountError) Error() string {
	return fmt.Sprintf("%d recovery words: must be 12, 15, 18, 21 or 24", e.Words)
}

// A WordError reports a word that is not in the list. The word itself is left
// out, because it is probably close to a secret one.
type WordError struct {
	Position   int    // counted from 1
	Suggestion string // the nearest word of the list, or empty
}

// Error implements error. Its text is meant for the person who typed the words.
func (e *WordError) Error() string {
	if e.Suggestion == "" {
		return fmt.Sprintf("recovery word %d is not in the BIP-39 English list", e.Position)
	}
	return fmt.Sprintf("recovery word %d is not in the BIP-39 English list; did you mean %q?", e.Position, e.Suggestion)
}

// LogValue leaves the suggestion out of logs: it is probably a secret word.
func (e *WordError) LogValue() slog.Value {
	return slog.StringValue(fmt.Sprintf("recovery word %d is not in the list", e.Position))
}

//go:embed english.txt
var english string

// The file is in alphabetical order, so an index is found by binary search.
var words = sync.OnceValue(func() []string { return strings.Fields(english) })

// FromEntropy encodes 16, 20, 24, 28 or 32 bytes as words, one space between
// them. The caller owns the result and the entropy and wipes both.
func FromEntropy(entropy []byte) ([]byte, error) {
	n := len(entropy) * 3 / 4
	if len(entropy)%4 != 0 || !validCount(n) {
		return nil, &CountError{Words: n}
	}
	var bits [33]byte
	defer clear(bits[:])
	copy(bits[:], entropy)
	bits[len(entropy)] = checksum(entropy)
	phrase := make([]byte, 0, n*9)
	for i := range n {
		if i > 0 {
			phrase = append(phrase, ' ')
		}
		phrase = append(phrase, words()[index(bits[:], i)]...)
	}
	return phrase, nil
}

// Parse checks a phrase and returns its canonical form: lower case, one space
// between words. The caller wipes the result.
func Parse(phrase string) ([]byte, error) {
	if len(phrase) > maxPhrase || !utf8.ValidString(phrase) {
		return nil, ErrEncoding
	}
	typed := strings.Fields(strings.ToLower(norm.NFKD.String(phrase)))
	if !validCount(len(typed)) {
		return nil, &CountError{Words: len(typed)}
	}
	var bits [33]byte
	defer clear(bits[:])
	for i, w := range typed {
		n, ok := slices.BinarySearch(words(), w)
		if !ok {
			return nil, &WordError{Position: i + 1, Suggestion: suggest(w)}
		}
		put(bits[:], i, n)
	}
	size := len(typed) * 4 / 3
	mask := byte(0xff) << (8 - size/4)
	if bits[size]&mask != checksum(bits[:size])&mask {
		return nil, ErrChecksum
	}
	return []byte(strings.Join(typed, " ")), nil
}

// Seed stretches a phrase and a passphrase into a 64-byte seed. It does not
// check the phrase; Parse does. The caller wipes the result.
func Seed(phrase, passphrase string) ([]byte, error) {
	if len(phrase) > maxPhrase || len(passphrase) > maxPassphrase || !utf8.ValidString(phrase) || !utf8.ValidString(passphrase) {
		return nil, ErrEncoding
	}
	salt := []byte("mnemonic" + norm.NFKD.String(passphrase))
	defer clear(salt)
	return pbkdf2.Key(sha512.New, norm.NFKD.String(phrase), salt, rounds, SeedSize)
}

// EntropySize returns how many bytes of entropy a phrase of n words holds.
func EntropySize(n int) (int, error) {
	if !validCount(n) {
		return 0, &CountError{Words: n}
	}
	return n * 4 / 3, nil
}

func validCount(n int) bool { return n >= 12 && n <= 24 && n%3 == 0 }

func checksum(entropy []byte) byte {
	sum := sha256.Sum256(entropy)
	return sum[0]
}

func index(bits []byte, word int) int {
	n := 0
	for b := word * bitsPerWord; b < (word+1)*bitsPerWord; b++ {
		n = n<<1 | int(bits[b/8]>>(7-b%8)&1)
	}
	return n
}

func put(bits []byte, word, n int) {
	for i := range bitsPerWord {
		b := word*bitsPerWord + i
		bits[b/8] |= byte(n>>(bitsPerWord-1-i)&1) << (7 - b%8)
	}
}
