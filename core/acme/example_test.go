package acme_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"

	"github.com/alkdev/alknet/core/acme"
	"github.com/alkdev/alknet/core/tlsconf"
)

func Example() {
	folder, err := os.MkdirTemp("", "certs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)

	certificates, err := acme.New(acme.Config{
		Domains:    []string{"example.org"},
		Email:      "you@example.org",
		Folder:     folder,
		Challenges: []acme.Challenge{acme.TLSALPN01, acme.HTTP01},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &tlsconf.Server{Certificates: certificates.Certificate}
	plain := &http.Server{
		Addr:    ":80",
		Handler: certificates.ChallengeHandler(http.RedirectHandler("https://example.org/", http.StatusMovedPermanently)),
	}
	_, _ = server, plain // each with a listener of its own

	// Run orders and renews; here it is stopped before it begins.
	ctx, stop := context.WithCancel(context.Background())
	stop()
	fmt.Println("run:", certificates.Run(ctx))

	cert, err := certificates.Certificate(&tls.ClientHelloInfo{ServerName: "example.org"})
	fmt.Println("before the first order:", cert == nil, err)
	for _, s := range certificates.Status() {
		fmt.Println(s.Domain, s.NotAfter.IsZero(), s.LastError)
	}
	// Output:
	// run: <nil>
	// before the first order: true <nil>
	// example.org true <nil>
}
