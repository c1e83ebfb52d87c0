package bip39_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/alkdev/alknet/vault/internal/bip39"
)

type vector struct{ Entropy, Mnemonic, Passphrase, Seed string }

func load(t *testing.T) (v struct{ Trezor, Earlier, NFKD []vector }) {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors/bip39.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOfficialVectors(t *testing.T) {
	v := load(t)
	all := append(v.Trezor, v.Earlier...)
	if len(all) != 36 {
		t.Fatalf("%d vectors, want 36", len(all))
	}
	for _, c := range all {
		t.Run(c.Entropy, func(t *testing.T) {
			entropy, err := hex.DecodeString(c.Entropy)
			if err != nil {
				t.Fatal(err)
			}
			phrase, err := bip39.FromEntropy(entropy)
			if err != nil || string(phrase) != c.Mnemonic {
				t.Fatalf("FromEntropy = %q, %v; want %q", phrase, err, c.Mnemonic)
			}
			canonical, err := bip39.Parse(c.Mnemonic)
			if err != nil || string(canonical) != c.Mnemonic {
				t.Fatalf("Parse = %q, %v", canonical, err)
			}
			checkSeed(t, c)
		})
	}
}

func TestNormalisationVectors(t *testing.T) {
	for _, c := range load(t).NFKD {
		t.Run(c.Mnemonic[:12], func(t *testing.T) { checkSeed(t, c) })
	}
}

func checkSeed(t *testing.T, c vector) {
	t.Helper()
	seed, err := bip39.Seed(c.Mnemonic, c.Passphrase)
	if err != nil || hex.EncodeToString(seed) != c.Seed {
		t.Fatalf("Seed = %x, %v; want %s", seed, err, c.Seed)
	}
}

func TestEnglishListIsTheOfficialOne(t *testing.T) {
	raw, err := os.ReadFile("english.txt")
	if err != nil {
		t.Fatal(err)
	}
	// The digest of bip-0039/english.txt in github.com/bitcoin/bips.
	const want = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
	if got := sha256.Sum256(raw); hex.EncodeToString(got[:]) != want {
		t.Errorf("sha256(english.txt) = %x, want %s", got, want)
	}
}

func TestEveryWordCountRoundTrips(t *testing.T) {
	for _, words := range []int{12, 15, 18, 21, 24} {
		size, err := bip39.EntropySize(words)
		if err != nil {
			t.Fatal(err)
		}
		phrase, err := bip39.FromEntropy(bytes.Repeat([]byte{0xa5}, size))
		if err != nil || len(strings.Fields(string(phrase))) != words {
			t.Errorf("%d words: %q, %v", words, phrase, err)
		}
		if _, err := bip39.Parse(string(phrase)); err != nil {
			t.Errorf("%d words: %v", words, err)
		}
	}
}

const valid = "legal winner thank year wave sausage worth useful legal winner thank yellow"

func TestParseForgivesFormNotContent(t *testing.T) {
	for name, phrase := range map[string]string{
		"spaces and lines": "  legal winner\tthank\nyear wave  sausage worth useful legal winner thank yellow \n",
		"capitals":         strings.ToUpper(valid),
		"ideographic":      strings.ReplaceAll(valid, " ", "\u3000"),
		"full width":       "ｌegal" + valid[5:],
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := bip39.Parse(phrase); err != nil || string(got) != valid {
				t.Errorf("Parse = %q, %v", got, err)
			}
		})
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		position       int
		suggestion     string
	}{
		{"swapped letters", "thank year", "thnak year", 3, "thank"},
		{"missing letter", "sausage", "sausge", 6, "sausage"},
		{"right prefix", "winner", "winning", 2, "winner"},
		{"nothing near", "useful", "xxxxxxxx", 8, ""},
		{"not letters", "useful", "'); --", 8, ""},
		{"very long", "yellow", strings.Repeat("y", 100), 12, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := bip39.Parse(strings.Replace(valid, c.old, c.new, 1))
			var word *bip39.WordError
			if c.name == "not letters" {
				c.position = 8
				var count *bip39.CountError
				if !errors.As(err, &count) || count.Words != 13 {
					t.Fatalf("error = %v, want a CountError of 13", err)
				}
				return
			}
			if !errors.As(err, &word) || word.Position != c.position || word.Suggestion != c.suggestion {
				t.Fatalf("error = %#v, want word %d, suggestion %q", err, c.position, c.suggestion)
			}
			if strings.Contains(word.LogValue().String(), "thank") {
				t.Error("the suggestion reaches the log")
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	count := new(bip39.CountError)
	if _, err := bip39.Parse("zoo zoo zoo"); !errors.As(err, &count) || count.Words != 3 {
		t.Errorf("three words: %v", err)
	}
	if _, err := bip39.Parse(strings.Repeat("abandon ", 12)); !errors.Is(err, bip39.ErrChecksum) {
		t.Errorf("wrong checksum: %v", err)
	}
	for _, s := range []string{strings.Repeat("a", 2000), "\xff\xfe"} {
		if _, err := bip39.Parse(s); !errors.Is(err, bip39.ErrEncoding) {
			t.Errorf("Parse(%.5q…): %v", s, err)
		}
	}
	for _, pass := range []string{"\xff", strings.Repeat("a", 5000)} {
		if _, err := bip39.Seed(valid, pass); !errors.Is(err, bip39.ErrEncoding) {
			t.Errorf("Seed with passphrase %.5q…: %v", pass, err)
		}
	}
	for _, n := range []int{0, 15, 17, 36} {
		if _, err := bip39.FromEntropy(make([]byte, n)); !errors.As(err, &count) {
			t.Errorf("%d bytes of entropy: %v", n, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(valid)
	f.Add("legal winner thank year wave sausage worth useful legal winner thank yelow")
	f.Add(strings.Repeat("zoo ", 24))
	f.Fuzz(func(t *testing.T, phrase string) {
		canonical, err := bip39.Parse(phrase)
		if err != nil {
			return
		}
		again, err := bip39.Parse(string(canonical))
		if err != nil || !bytes.Equal(again, canonical) {
			t.Fatalf("canonical form %q is not stable: %q, %v", canonical, again, err)
		}
	})
}
