package keyring_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/internal/keyring"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/vault"
)

const vector = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"

func directory(t *testing.T) datadir.Dir {
	t.Helper()
	d, err := datadir.At(filepath.Join(t.TempDir(), "node"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Create(); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCreateThenOpen(t *testing.T) {
	d := directory(t)
	made, words, err := keyring.Create(t.Context(), d, 12, "")
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	if n := len(strings.Fields(words.Reveal())); n != 12 {
		t.Errorf("%d words", n)
	}
	if _, err := keyring.Open(t.Context(), d, nil); !errors.Is(err, datadir.ErrEmpty) {
		t.Errorf("before the end of init: %v", err)
	}
	again, none, err := keyring.Create(t.Context(), d, 12, "")
	if err != nil || none != nil || again.NodeID() != made.NodeID() {
		t.Fatalf("create over an interrupted one: %v, %v", none, err)
	}
	again.Close()
	if err := d.Finish(); err != nil {
		t.Fatal(err)
	}
	opened, err := keyring.Open(t.Context(), d, nil)
	if err != nil || opened.NodeID() != made.NodeID() {
		t.Fatalf("open: %v", err)
	}
	opened.Close()
	if _, err := opened.HostKey(); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("after Close: %v", err)
	}
}

func TestRestore(t *testing.T) {
	d := directory(t)
	first, err := keyring.Restore(t.Context(), d, keyring.Recovery{Words: vector}, "")
	if err != nil {
		t.Fatal(err)
	}
	id := first.NodeID()
	first.Close()
	for _, test := range []struct {
		name string
		r    keyring.Recovery
		want string
	}{
		{"the same", keyring.Recovery{Words: "  " + strings.ToUpper(vector) + "\n"}, ""},
		{"other passphrase", keyring.Recovery{Words: vector, Passphrase: "TREZOR"}, "another vault"},
		{"wrong word", keyring.Recovery{Words: strings.Replace(vector, "about", "abut", 1)}, "word 12"},
	} {
		t.Run(test.name, func(t *testing.T) {
			k, err := keyring.Restore(t.Context(), d, test.r, "")
			if test.want == "" {
				if err != nil || k.NodeID() != id {
					t.Fatalf("got %v", err)
				}
				k.Close()
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	if err := os.WriteFile(d.Vault(), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Restore(t.Context(), d, keyring.Recovery{Words: vector}, ""); err == nil {
		t.Error("a damaged vault was replaced")
	}
}

func TestSealedByPassphrase(t *testing.T) {
	d := directory(t)
	made, _, err := keyring.Create(t.Context(), d, 12, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	if _, err := os.Stat(d.VaultKey()); err == nil {
		t.Error("there is a key file")
	}
	if err := d.Finish(); err != nil {
		t.Fatal(err)
	}
	stopped := errors.New("Ctrl-C")
	prompt := func(pass string, err error) keyring.Prompt {
		return func(context.Context) (string, error) { return pass, err }
	}
	for _, test := range []struct {
		name   string
		prompt keyring.Prompt
		want   error
	}{
		{"nobody to ask", nil, keyring.ErrNeedsPassphrase},
		{"no answer", prompt("", stopped), stopped},
		{"wrong", prompt("battery staple", nil), vault.ErrWrongPassphrase},
		{"right", prompt("correct horse", nil), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			k, err := keyring.Open(t.Context(), d, test.prompt)
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if err == nil && k.NodeID() != made.NodeID() {
				t.Error("another node")
			}
		})
	}
}

func TestPublicKeys(t *testing.T) {
	k, err := keyring.Restore(t.Context(), directory(t), keyring.Recovery{Words: vector}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	line, err := k.HostKeyLine()
	if err != nil {
		t.Fatal(err)
	}
	pub, _, _, rest, err := gossh.ParseAuthorizedKey([]byte(line))
	if err != nil || len(rest) != 0 || pub.Type() != gossh.KeyAlgoED25519 {
		t.Errorf("%q: %v", line, err)
	}
	if auth.SSHKey(pub.Type(), pub.Marshal()) == k.NodeID().Key() {
		t.Error("the host key is the node key")
	}
	cert, err := k.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	if public := k.NodeID().PublicKey(); !public.Equal(k.Node().Public().(ed25519.PublicKey)) || len(cert.Certificate) != 1 {
		t.Error("the certificate is not the node's")
	}
	a, _, err := k.WebCertificates([]string{"a.example"}).Hashes()
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := k.WebCertificates([]string{"a.example"}).Hashes()
	if err != nil || a != b {
		t.Errorf("the web certificate is not the same twice: %v", err)
	}
	one, err1 := k.Secret("one")
	two, err2 := k.Secret("two")
	if err1 != nil || err2 != nil || one == two {
		t.Errorf("secrets: %v, %v", err1, err2)
	}
}

func TestWebCertificateNames(t *testing.T) {
	k, err := keyring.Restore(t.Context(), directory(t), keyring.Recovery{Words: vector}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for _, test := range []struct {
		name string
		held bool
	}{
		{"a.example", true}, {"192.0.2.1", true}, {"2001:db8::1", true}, {"xn--bcher-kva.example", true},
		{"LAPTOP-7", true}, {"7", true}, {strings.Repeat("a", 63) + ".example", true},
		{"büro", false}, {"annas macbook", false}, {"a_b", true}, {"*", false}, {"\x00", false}, {"\xff.example", false},
		{"", false}, {".", false}, {"a.example.", false}, {"a..example", false}, {"-a", false}, {"a-", false},
		{strings.Repeat("a", 64), false}, {strings.Repeat("a.", 127) + "a", false}, {"fe80::1%eth0", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			made, err := k.WebCertificates([]string{test.name}).Certificate()
			if err != nil {
				t.Fatal(err)
			}
			names := slices.Clone(made.Leaf.DNSNames)
			for _, ip := range made.Leaf.IPAddresses {
				names = append(names, ip.String())
			}
			if got := slices.Contains(names, test.name); got != test.held {
				t.Errorf("%q is in %q: %t", test.name, names, got)
			}
			if !slices.Contains(names, "localhost") {
				t.Errorf("localhost is not in %q", names)
			}
		})
	}
}
