package vault_test

import (
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/alkdev/alknet/vault"
)

// A node makes its vault once and opens it at every start.
func Example() {
	dir, err := os.MkdirTemp("", "node")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path, seal := filepath.Join(dir, "vault.age"), vault.KeyFile(filepath.Join(dir, "vault.key"))

	v := vault.New()
	words, err := v.UnlockNew(24)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("words to write down:", len(strings.Fields(words.Reveal())))
	words.Destroy()
	if err := v.Save(path, seal); err != nil {
		fmt.Println(err)
		return
	}
	v.Lock()

	if err := v.Open(path, seal); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v)
	// Output:
	// words to write down: 24
	// vault (unlocked)
}

// The same words are the same node.
func ExampleVault_NodeKey() {
	v := vault.New()
	if err := v.Unlock("abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about", ""); err != nil {
		fmt.Println(err)
		return
	}
	key, err := v.NodeKey()
	if err != nil {
		fmt.Println(err)
		return
	}
	der, err := key.Certificate()
	if err != nil {
		fmt.Println(err)
		return
	}
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	fmt.Println(certificate.PrivateKey)

	_, err = key.Sign(nil, []byte("anything else"), crypto.Hash(0))
	fmt.Println(errors.Is(err, vault.ErrPurpose))
	// Output:
	// node key ed25519:e78c2766a792f09bfccb51493968ac322283e8d021a30063784d806929762ecc
	// true
}

// A wrong word is named by its position, with the word that was probably meant.
func ExampleWordError() {
	err := vault.New().Unlock("abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abuot", "")
	fmt.Println(err)
	// Output:
	// recovery word 12 is not in the BIP-39 English list; did you mean "about"?
}

func ExampleVault_Rotate() {
	v := vault.New()
	if _, err := v.UnlockNew(12); err != nil {
		fmt.Println(err)
		return
	}
	value, err := v.Encrypt([]byte("an API key"), vault.KeyVersion)
	if err != nil {
		fmt.Println(err)
		return
	}
	rotated, err := v.Rotate(value, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := v.Decrypt(rotated)
	fmt.Println(value.Version, rotated.Version, string(text), err)
	// Output: 2 3 an API key <nil>
}
