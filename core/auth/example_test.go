package auth_test

import (
	"fmt"

	"github.com/alkdev/alknet/core/auth"
)

func Example() {
	roles := auth.Roles{"dev": {"ssh:forward:*.lan:5432", "git:write:team/**"}}
	scopes, err := roles.Expand([]string{"dev"}, []string{"sftp:read:/pub"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ada := auth.Identity{Name: "ada", Kind: auth.KindPeer, Scopes: scopes}
	for _, a := range []auth.Action{
		auth.DoHost("ssh", "forward", "DB.lan.", 5432),
		auth.DoHost("ssh", "forward", "10.0.0.7", 5432),
		auth.DoName("git", "write", "team/app"),
		auth.DoPath("sftp", "read", "/pub/../etc/passwd"),
		auth.Do("ssh", "shell"),
	} {
		fmt.Println(ada.Allow(a), a)
	}
	// Output:
	// true ssh:forward:db.lan:5432
	// false ssh:forward:10.0.0.7:5432
	// true git:write:team/app
	// false sftp:read:/etc/passwd
	// false ssh:shell
}

func ExampleParsePeerKey() {
	for _, s := range []string{
		"47pjoycnsrfmxikm95jh13y88e8qnhzu5kungjpxyepgt7a8krpy",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINgKGtSUSeTOg22ot3aUjg4GOc81gG9+GHQAx4405be6 ada@laptop",
		"ssh:SHA256:VMD6nWn9wihlERSREhNLyw+VLcRFJVIdZ40/d+DxWrk",
	} {
		k, err := auth.ParsePeerKey(s)
		fmt.Println(k, err)
	}
	// Output:
	// ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a <nil>
	// ed25519:d80a1ad49449e4ce836da8b776948e0e0639cf35806f7e187400c78e34e5b7ba <nil>
	// ssh:SHA256:VMD6nWn9wihlERSREhNLyw+VLcRFJVIdZ40/d+DxWrk <nil>
}

func ExampleParseScope() {
	_, err := auth.ParseScope("ssh:forward:10.0.0.1/8:22")
	fmt.Println(err)
	// Output:
	// scope "ssh:forward:10.0.0.1/8:22": the range has bits set behind its length; write 10.0.0.0/8
}

func ExampleNewToken() {
	secret, token, err := auth.NewToken("ci")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(secret, len(secret.Reveal()), len(token.ID))
	// Output:
	// [redacted] 44 12
}
