package hd_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alkdev/alknet/vault/internal/hd"
)

type vector struct {
	Seed, Path, Private, Public string
	ChainCode                   string `json:"chain_code"`
	XPrv, XPub                  string
}

func load(t *testing.T, name string) map[string][]vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		t.Fatal(err)
	}
	sets := map[string][]vector{}
	for set, raw := range parts {
		var v []vector
		if set == "provenance" {
			continue
		}
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		sets[set] = v
	}
	return sets
}

func parse(t *testing.T, path string) hd.Path {
	t.Helper()
	p, err := hd.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSLIP10Ed25519Vectors(t *testing.T) {
	sets := load(t, "slip10.json")
	for _, c := range slices.Concat(sets["slip10"], sets["alknet"]) {
		t.Run(c.Seed[:8]+" "+c.Path, func(t *testing.T) {
			k, err := hd.Ed25519(unhex(t, c.Seed), parse(t, c.Path))
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(k.Private[:]); got != c.Private {
				t.Errorf("private = %s, want %s", got, c.Private)
			}
			if got := hex.EncodeToString(k.Chain[:]); c.ChainCode != "" && got != c.ChainCode {
				t.Errorf("chain code = %s, want %s", got, c.ChainCode)
			}
			public := ed25519.NewKeyFromSeed(k.Private[:]).Public().(ed25519.PublicKey)
			if got := hex.EncodeToString(public); c.Public != "" && got != c.Public {
				t.Errorf("public = %s, want %s", got, c.Public)
			}
		})
	}
}

func TestBIP32Vectors(t *testing.T) {
	sets := load(t, "bip32.json")
	for _, c := range slices.Concat(sets["bip32"], sets["ethereum"]) {
		t.Run(c.Seed[:8]+" "+c.Path, func(t *testing.T) {
			k, err := hd.Secp256k1(unhex(t, c.Seed), parse(t, c.Path))
			if err != nil {
				t.Fatal(err)
			}
			private, public := c.Private, c.Public
			if c.XPrv != "" {
				// Layout: version 4, depth 1, fingerprint 4, index 4, chain code 32, key 33.
				xprv, xpub := base58(t, c.XPrv), base58(t, c.XPub)
				private, public = hex.EncodeToString(xprv[46:78]), hex.EncodeToString(xpub[45:78])
				if !bytes.Equal(k.Chain[:], xprv[13:45]) {
					t.Errorf("chain code = %x, want %x", k.Chain, xprv[13:45])
				}
			}
			if got := hex.EncodeToString(k.Private[:]); got != private {
				t.Errorf("private = %s, want %s", got, private)
			}
			if got := hex.EncodeToString(k.Secp256k1Public()); got != public {
				t.Errorf("public = %s, want %s", got, public)
			}
		})
	}
}

func base58(t *testing.T, s string) []byte {
	t.Helper()
	n := new(big.Int)
	for _, c := range s {
		digit := strings.IndexRune("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", c)
		n.Add(n.Mul(n, big.NewInt(58)), big.NewInt(int64(digit)))
	}
	return n.FillBytes(make([]byte, 82))
}

func TestEd25519RefusesUnhardenedLevels(t *testing.T) {
	var pathErr *hd.PathError
	_, err := hd.Ed25519(make([]byte, 64), parse(t, "m/74'/0"))
	if !errors.As(err, &pathErr) || !strings.Contains(err.Error(), "level 2") {
		t.Errorf("error = %v, want a PathError that names level 2", err)
	}
}

func TestSeedLength(t *testing.T) {
	for _, n := range []int{0, 15, 65} {
		if _, err := hd.Ed25519(make([]byte, n), nil); !errors.Is(err, hd.ErrSeed) {
			t.Errorf("Ed25519 with %d bytes: %v", n, err)
		}
		if _, err := hd.Secp256k1(make([]byte, n), nil); !errors.Is(err, hd.ErrSeed) {
			t.Errorf("Secp256k1 with %d bytes: %v", n, err)
		}
	}
}

func TestParsePath(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"m", "m"},
		{"m/0", "m/0"},
		{"m/74'/2h/0'", "m/74'/2'/0'"},
		{"m/2147483647'", "m/2147483647'"},
	} {
		if got := parse(t, c.in).String(); got != c.want {
			t.Errorf("ParsePath(%q) = %s, want %s", c.in, got, c.want)
		}
	}
	for _, in := range []string{
		"", "M", "m/", "/0", "0/1", "mXYZ/0", "m//0", "m/0/", "m/0''", "m/0'h", "m/0hh", "m/0H", "m/'", "m/+1", "m/-1",
		"m/ 1", "m/01", "m/00", "m/2147483648", "m/2147483648'", "m/4294967296", "m/0x1", "m/1_0", "m" + strings.Repeat("/0", 256),
	} {
		var pathErr *hd.PathError
		if p, err := hd.ParsePath(in); !errors.As(err, &pathErr) {
			t.Errorf("ParsePath(%.20q) = %v, %v; want a PathError", in, p, err)
		}
	}
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		path, parent string
		want         bool
	}{
		{"m/74'/0'", "m/74'", true}, {"m/74'", "m/74'", true}, {"m/74", "m/74'", false}, {"m", "m/74'", false}, {"m/44'/74'", "m/74'", false},
	} {
		if got := parse(t, c.path).Within(parse(t, c.parent)); got != c.want {
			t.Errorf("%s within %s = %v", c.path, c.parent, got)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add("m/74'/0h/0'/0'")
	f.Add("m/44'/60'/0'/0/0")
	f.Add("m/2147483648'")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := hd.ParsePath(s)
		if err != nil {
			return
		}
		again, err := hd.ParsePath(p.String())
		if err != nil || !slices.Equal(again, p) {
			t.Fatalf("%q → %v → %v, %v", s, p, again, err)
		}
	})
}
