package config_test

import (
	"strconv"
	"testing"

	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
)

func manyPeers(n int) config.Dynamic {
	var d config.Dynamic
	for i := range n {
		d.Peers = append(d.Peers, auth.Peer{
			Name:   "peer-" + strconv.Itoa(i),
			Keys:   []auth.Key{testKey(i)},
			Scopes: []string{"ssh:forward:*.lan:22", "git:write:team/**"},
		})
	}
	return d
}

func BenchmarkByKey10k(b *testing.B) {
	s := newStore(b, manyPeers(10_000))
	k := testKey(7777)
	ctx := b.Context()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.ByKey(ctx, k); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkByToken(b *testing.B) {
	d := manyPeers(10_000)
	secret, token := newToken(b, "ci")
	d.Tokens = []auth.Token{token}
	s := newStore(b, d)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.ByToken(b.Context(), secret); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSwap10k(b *testing.B) {
	d := manyPeers(10_000)
	s := newStore(b, config.Dynamic{})
	for b.Loop() {
		if err := s.Swap(d); err != nil {
			b.Fatal(err)
		}
	}
}
