package tlsconf_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/alkdev/alknet/core/tlsconf"
)

func ExampleSplit() {
	node, web := tlsconf.Split([]string{"h3", "alknet/ssh", "http/1.1", "example.org/echo"})
	fmt.Println("node face:", node)
	fmt.Println("web face:", web)
	// Output:
	// node face: [alknet/ssh example.org/echo]
	// web face: [h3 http/1.1]
}

// The hash of the next certificate is known while the current one is in use.
func ExampleWebCertificates() {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	web := &tlsconf.WebCertificates{Key: func(epoch uint64) (crypto.Signer, error) { return key, nil }}
	current, next, err := web.Hashes()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("valid for", current.NotAfter.Sub(current.NotBefore).Round(time.Hour))
	fmt.Println("next one", next.NotBefore.Sub(current.NotBefore), "later")
	// Output:
	// valid for 312h0m0s
	// next one 156h0m0s later
}
