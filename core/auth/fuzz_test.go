package auth_test

import (
	"slices"
	"testing"

	"github.com/alkdev/alknet/core/auth"
)

func FuzzKey(f *testing.F) {
	for _, s := range []string{
		"", node1, "ed25519:" + hex1, "ssh:SHA256:" + digestRSA, "x509:SHA256:" + digits, "SHA256:" + digits,
		lineEd25519, lineECDSA, lineRSA, "ssh-rsa AAAA", "ssh-rsa AAAAB3NzaC1yc2E=",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := auth.ParsePeerKey(s)
		if (err != nil) != k.IsZero() {
			t.Fatalf("key %v with error %v", k, err)
		}
		if err != nil {
			return
		}
		again, err := auth.ParseKey(k.String())
		if err != nil || again != k {
			t.Fatalf("%v parsed again is %v, %v", k, again, err)
		}
		if pub, ok := k.Ed25519(); ok && auth.Ed25519Key(pub) != k {
			t.Fatalf("%v does not survive its own bytes", k)
		}
	})
}

func FuzzNodeID(f *testing.F) {
	for _, s := range []string{"", node1, node2, node1[:51] + "b", node1 + "y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := auth.ParseNodeID(s)
		if err != nil {
			return
		}
		if id.String() != s {
			t.Fatalf("%q is a second spelling of %v", s, id)
		}
		if back, ok := id.Key().NodeID(); !ok || back != id {
			t.Fatalf("%v gives %v", id, back)
		}
	})
}

func FuzzScope(f *testing.F) {
	for _, s := range []string{
		"", "admin", "ssh:*", "ssh:exec:git 'a b'", "ssh:forward:*.lan:5432", "ssh:forward:[fd00::/8]:22",
		"ssh:forward:10.0.0.0/8:*", "ssh:listen:*:*", "sftp:read:/a/../b", "git:write:a/*/**", "call:fs/readFile", "call:*",
	} {
		f.Add(s, "/a/b")
	}
	f.Fuzz(func(t *testing.T, s, target string) {
		scope, err := auth.ParseScope(s)
		if err != nil {
			if (auth.Scopes{scope}).Allow(auth.DoPath("sftp", "read", target)) {
				t.Fatal("a refused scope grants")
			}
			return
		}
		again, err := auth.ParseScope(scope.String())
		if err != nil || again.String() != scope.String() {
			t.Fatalf("%v parsed again is %v, %v", scope, again, err)
		}
		one, two := auth.Scopes{scope}, auth.Scopes{again}
		for _, a := range []auth.Action{
			auth.DoPath("sftp", "read", target), auth.DoName("git", "read", target), auth.Do("call", target),
			auth.DoHost("ssh", "forward", target, 22), auth.DoHost("ssh", "listen", target, 0),
			auth.DoArgv("ssh", "exec", []string{target}), auth.DoName("git", "admin", target),
		} {
			if one.Allow(a) != two.Allow(a) {
				t.Fatalf("%v and its canonical spelling differ on %v", s, a)
			}
			if a.Name() == "git:admin" && one.Allow(a) && s == "git:*" {
				t.Fatalf("%v covers %v", s, a)
			}
		}
	})
}

func FuzzArgv(f *testing.F) {
	for _, s := range []string{"", "git status", `a 'b c' "d\"e" f\ g ''`, "a;b", "'", `"`, `\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		argv, err := auth.ParseArgv(line)
		if err != nil {
			return
		}
		again, err := auth.ParseArgv(auth.JoinArgv(argv))
		if err != nil || !slices.Equal(again, argv) {
			t.Fatalf("%q joined and parsed again is %q, %v", argv, again, err)
		}
	})
}

func FuzzToken(f *testing.F) {
	for _, s := range []string{"", "alk_", "alk_abcdefghijklmnopqrstuvwxyz234567abcdefgh", "Bearer alk_x"} {
		f.Add(s, "sha256:"+digits)
	}
	f.Fuzz(func(t *testing.T, presented, hash string) {
		sum, ok := auth.TokenDigest(presented)
		if ok {
			stored, err := auth.Token{Hash: auth.HashToken(presented)}.Digest()
			if err != nil || stored != sum {
				t.Fatalf("hash of %q is %x, %v; want %x", presented, stored, err, sum)
			}
		}
		if _, err := (auth.Token{Hash: hash}).Digest(); err == nil && len(hash) != len("sha256:")+64 {
			t.Fatalf("hash %q is accepted", hash)
		}
	})
}
