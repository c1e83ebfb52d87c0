package auth_test

import (
	"testing"

	"github.com/alkdev/alknet/core/auth"
)

func BenchmarkAllow(b *testing.B) {
	scopes, err := auth.ParseScopes([]string{
		"git:write:team/**", "sftp:read:/pub", "ssh:exec:git status", "call:fs/*", "ssh:forward:10.0.0.0/8:*", "ssh:forward:*.lan:5432",
	})
	if err != nil {
		b.Fatal(err)
	}
	benchmarks := []struct {
		name string
		a    auth.Action
	}{
		{"host", auth.DoHost("ssh", "forward", "db.lan", 5432)},
		{"name", auth.DoName("git", "write", "team/app")},
		{"refused", auth.Do("ssh", "shell")},
	}
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				scopes.Allow(bm.a)
			}
		})
	}
	b.Run("build and ask", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			scopes.Allow(auth.DoHost("ssh", "forward", "db.lan", 5432))
		}
	})
}

func BenchmarkParseKey(b *testing.B) {
	for b.Loop() {
		if _, err := auth.ParseKey(node1); err != nil {
			b.Fatal(err)
		}
	}
}
