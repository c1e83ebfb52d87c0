package ssh_test

import (
	"crypto/ed25519"
	"fmt"
	"log"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/ssh"
)

func Example() {
	peerKey, err := auth.ParsePeerKey("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9uqkseYGzOwQ76RzQ/LvVCXLTR+/tV6wgaZItW1mHL laptop")
	if err != nil {
		log.Fatal(err)
	}
	nodeKey := ed25519.NewKeyFromSeed(make([]byte, 32)) // from the vault
	store, err := config.NewStore(auth.Ed25519Key(nodeKey.Public().(ed25519.PublicKey)), config.Dynamic{
		Peers: []auth.Peer{{Name: "laptop", Keys: []auth.Key{peerKey}, Scopes: []string{"ssh:shell", "ssh:exec"}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	hostKey, err := ssh.HostKey(ed25519.NewKeyFromSeed([]byte("another secret out of the vault!")))
	if err != nil {
		log.Fatal(err)
	}

	var router core.Router
	if err := router.Register(&ssh.Server{HostKeys: []gossh.Signer{hostKey}, Identities: store}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(router.ALPNs())

	// What KnownHostsCommand prints for a client.
	line, err := ssh.KnownHostsLine("node.example", hostKey.PublicKey())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(line)
	// Output:
	// [alknet/ssh]
	// node.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK5iXuVC+KsKq0xOos2Z1LibjBzupSS5uTP+jBDO1WSy
}
