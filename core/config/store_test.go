package config_test

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
)

// testKey returns the n-th of a fixed sequence of keys.
func testKey(n int) auth.Key {
	seed := make([]byte, ed25519.SeedSize)
	binary.BigEndian.PutUint64(seed, uint64(n))
	return auth.Ed25519Key(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
}

var owner = testKey(1 << 20)

func newStore(t testing.TB, d config.Dynamic) *config.Store {
	t.Helper()
	s, err := config.NewStore(owner, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEmptyServesTheOwnerAlone(t *testing.T) {
	s := newStore(t, config.Dynamic{})
	id, err := s.ByKey(t.Context(), owner)
	if err != nil || id.Kind != auth.KindOwner || !id.Allow(auth.Do("git", "admin")) {
		t.Errorf("owner: %v, %v", id, err)
	}
	for _, k := range []auth.Key{{}, testKey(1)} {
		if id, err := s.ByKey(t.Context(), k); !errors.Is(err, auth.ErrUnknownKey) || !id.IsZero() {
			t.Errorf("key %v: %v, %v", k, id, err)
		}
	}
	none, err := config.NewStore(auth.Key{}, config.Dynamic{})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := none.ByKey(t.Context(), auth.Key{}); err == nil {
		t.Errorf("the zero key is %v", id)
	}
}

func TestByKey(t *testing.T) {
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	s := newStore(t, config.Dynamic{
		Roles: auth.Roles{"dev": {"git:write:**"}},
		Peers: []auth.Peer{
			{Name: "ada", Keys: []auth.Key{testKey(1), testKey(2)}, Scopes: []string{"ssh:shell"}, Roles: []string{"dev"}, Expires: future},
			{Name: "off", Keys: []auth.Key{testKey(3)}, Disabled: true},
			{Name: "old", Keys: []auth.Key{testKey(4)}, Expires: past},
		},
	})
	tests := []struct {
		name, want string
		key        auth.Key
		err        error
	}{
		{"first key", "ada", testKey(1), nil},
		{"second key", "ada", testKey(2), nil},
		{"disabled", "", testKey(3), auth.ErrDisabled},
		{"expired", "", testKey(4), auth.ErrExpired},
		{"unknown", "", testKey(5), auth.ErrUnknownKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := s.ByKey(t.Context(), tt.key)
			if !errors.Is(err, tt.err) || id.Name != tt.want || id.IsZero() != (tt.err != nil) {
				t.Fatalf("got %v, %v", id, err)
			}
			if err == nil && (!id.Allow(auth.Do("ssh", "shell")) || !id.Allow(auth.DoName("git", "write", "x")) ||
				!id.Expires.Equal(future) || id.Credential != auth.KeyCredential(tt.key)) {
				t.Errorf("got %+v", id)
			}
		})
	}
}

// Two tokens may share a public id; neither hides the other.
func TestByToken(t *testing.T) {
	secret1, token1 := newToken(t, "one")
	secret2, token2 := newToken(t, "two")
	secret3, token3 := newToken(t, "old")
	token2.ID = token1.ID
	token2.Scopes = []string{"msg:send"}
	token3.Expires = time.Now().Add(-time.Second)
	s := newStore(t, config.Dynamic{Tokens: []auth.Token{token1, token2, token3}})
	tests := []struct {
		name, token, want string
		err               error
	}{
		{"first", secret1, "one", nil},
		{"second with the same id", secret2, "two", nil},
		{"expired", secret3, "", auth.ErrExpired},
		{"the id alone", token1.ID, "", auth.ErrUnknownToken},
		{"the hash", token1.Hash, "", auth.ErrUnknownToken},
		{"last character changed", secret1[:43] + "1", "", auth.ErrUnknownToken},
		{"longer", secret1 + "a", "", auth.ErrUnknownToken},
		{"empty", "", "", auth.ErrUnknownToken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := s.ByToken(t.Context(), tt.token)
			if !errors.Is(err, tt.err) || id.Name != tt.want {
				t.Fatalf("got %v, %v", id, err)
			}
			if err != nil {
				return
			}
			if again, err := s.Refresh(t.Context(), id); err != nil || again.Name != tt.want || id.Kind != auth.KindToken {
				t.Errorf("refreshed: %v, %v", again, err)
			}
		})
	}
}

func newToken(t testing.TB, name string) (string, auth.Token) {
	t.Helper()
	secret, token, err := auth.NewToken(name)
	if err != nil {
		t.Fatal(err)
	}
	return secret.Reveal(), token
}

func TestRefusesTheWholeSet(t *testing.T) {
	_, token := newToken(t, "ci")
	twin := token
	twin.Name = "twin"
	peer := func(name string, keys ...int) auth.Peer {
		p := auth.Peer{Name: name}
		for _, n := range keys {
			p.Keys = append(p.Keys, testKey(n))
		}
		return p
	}
	scoped := peer("ada", 1)
	scoped.Scopes = []string{"ssh:forward:nope"}
	tests := []struct {
		name  string
		d     config.Dynamic
		wants []string
	}{
		{"peer name twice", config.Dynamic{Peers: []auth.Peer{peer("ada", 1), peer("ada", 2)}}, []string{`peer "ada"`, "twice"}},
		{"key at two peers", config.Dynamic{Peers: []auth.Peer{peer("ada", 1), peer("bob", 1)}}, []string{`peer "bob"`, `"ada"`}},
		{"key twice at one peer", config.Dynamic{Peers: []auth.Peer{peer("ada", 1, 1)}}, []string{`peer "ada"`, "same key twice"}},
		{"the owner's key", config.Dynamic{Peers: []auth.Peer{{Name: "me", Keys: []auth.Key{owner}}}}, []string{`peer "me"`, "own key"}},
		{"the owner's name", config.Dynamic{Peers: []auth.Peer{peer("self", 1)}}, []string{`peer "self"`}},
		{"scope", config.Dynamic{Peers: []auth.Peer{scoped}}, []string{`peer "ada"`, `"ssh:forward:nope"`, "HOST:PORT"}},
		{"disabled peers are checked too", config.Dynamic{Peers: []auth.Peer{{Name: "off", Disabled: true}}}, []string{`peer "off"`}},
		{"role", config.Dynamic{Roles: auth.Roles{"dev": {"x"}}}, []string{`role "dev"`}},
		{"token name twice", config.Dynamic{Tokens: []auth.Token{token, token}}, []string{`token "ci"`, "twice"}},
		{"token hash twice", config.Dynamic{Tokens: []auth.Token{token, twin}}, []string{`token "twin"`, "same hash"}},
		{"token hash", config.Dynamic{Tokens: []auth.Token{{Name: "ci", ID: "alk_abcd", Hash: "md5:x"}}}, []string{`token "ci"`, "sha256:"}},
		{"limit", config.Dynamic{Limits: config.Limits{Handshakes: -1}}, []string{"handshakes"}},
		{"all faults at once", config.Dynamic{Peers: []auth.Peer{peer("A", 1), peer("bob")}}, []string{`peer "A"`, `peer "bob"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := config.NewStore(owner, tt.d); err == nil {
				t.Error("NewStore accepts it")
			}
			s := newStore(t, config.Dynamic{Peers: []auth.Peer{peer("stays", 9)}})
			before, changed := s.Load(), s.Changed()
			err := s.Swap(tt.d)
			if err == nil {
				t.Fatal("Swap accepts it")
			}
			for _, want := range tt.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not contain %q", err, want)
				}
			}
			if s.Load() != before {
				t.Error("the old configuration is gone")
			}
			select {
			case <-changed:
				t.Error("a refused swap counts as a change")
			default:
			}
		})
	}
}

func TestRefreshAfterSwap(t *testing.T) {
	ada := auth.Peer{Name: "ada", Keys: []auth.Key{testKey(1)}, Scopes: []string{"ssh:shell"}}
	change := func(f func(*auth.Peer)) []auth.Peer {
		p := ada
		f(&p)
		return []auth.Peer{p}
	}
	tests := []struct {
		name  string
		peers []auth.Peer
		err   error
	}{
		{"same", []auth.Peer{ada}, nil},
		{"removed", nil, auth.ErrUnknownKey},
		{"disabled", change(func(p *auth.Peer) { p.Disabled = true }), auth.ErrDisabled},
		{"expired", change(func(p *auth.Peer) { p.Expires = time.Now().Add(-1) }), auth.ErrExpired},
		{"other key", change(func(p *auth.Peer) { p.Keys = []auth.Key{testKey(2)} }), auth.ErrUnknownKey},
		{"key now another peer's", change(func(p *auth.Peer) { p.Name = "eve" }), auth.ErrUnknownKey},
		{"fewer scopes", change(func(p *auth.Peer) { p.Scopes = nil }), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t, config.Dynamic{Peers: []auth.Peer{ada}})
			id, err := s.ByKey(t.Context(), testKey(1))
			if err != nil {
				t.Fatal(err)
			}
			changed := s.Changed()
			if err := s.Swap(config.Dynamic{Peers: tt.peers}); err != nil {
				t.Fatal(err)
			}
			select {
			case <-changed:
			default:
				t.Error("no change is told")
			}
			now, err := s.Refresh(t.Context(), id)
			if !errors.Is(err, tt.err) || now.IsZero() != (tt.err != nil) {
				t.Fatalf("got %v, %v", now, err)
			}
			want := err == nil && len(tt.peers[0].Scopes) > 0
			if got := now.Allow(auth.Do("ssh", "shell")); got != want {
				t.Errorf("shell: got %v, want %v", got, want)
			}
		})
	}
	s := newStore(t, config.Dynamic{})
	if _, err := s.Refresh(t.Context(), auth.Identity{}); !errors.Is(err, auth.ErrNobody) {
		t.Errorf("nobody: %v", err)
	}
}

func TestExpiryNeedsNoSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, config.Dynamic{Peers: []auth.Peer{{Name: "ada", Keys: []auth.Key{testKey(1)}, Expires: time.Now().Add(time.Minute)}}})
		id, err := s.ByKey(t.Context(), testKey(1))
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if _, err := s.Refresh(t.Context(), id); !errors.Is(err, auth.ErrExpired) {
			t.Errorf("got %v", err)
		}
	})
}

func TestSwapKeepsNoReferences(t *testing.T) {
	d := config.Dynamic{
		Peers: []auth.Peer{{Name: "ada", Keys: []auth.Key{testKey(1)}, Scopes: []string{"ssh:shell"}}},
		Roles: auth.Roles{"dev": {"git:read"}},
	}
	s := newStore(t, d)
	d.Peers[0].Name, d.Peers[0].Scopes[0], d.Roles["dev"][0] = "eve", "admin", "admin"
	got := s.Dynamic()
	got.Peers[0].Scopes[0] = "admin"
	again := s.Dynamic()
	if again.Peers[0].Name != "ada" || again.Peers[0].Scopes[0] != "ssh:shell" || again.Roles["dev"][0] != "git:read" {
		t.Errorf("got %+v", again)
	}
}

func TestUpdate(t *testing.T) {
	s := newStore(t, config.Dynamic{})
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			err := s.Update(func(d *config.Dynamic) error {
				d.Peers = append(d.Peers, auth.Peer{Name: "p" + string(rune('a'+n)), Keys: []auth.Key{testKey(n)}})
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := len(s.Dynamic().Peers); got != 20 {
		t.Errorf("%d of 20 updates are left", got)
	}
	wanted := errors.New("no")
	if err := s.Update(func(*config.Dynamic) error { return wanted }); err != wanted {
		t.Errorf("got %v", err)
	}
}

// Readers see the old set or the new one, never a mixture and never nothing.
func TestSwapAgainstReaders(t *testing.T) {
	set := func(scope string) config.Dynamic {
		return config.Dynamic{Peers: []auth.Peer{
			{Name: "ada", Keys: []auth.Key{testKey(1)}, Scopes: []string{scope}},
			{Name: "bob", Keys: []auth.Key{testKey(2)}, Scopes: []string{scope}},
		}}
	}
	s := newStore(t, set("ssh:shell"))
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				changed := s.Changed()
				id, err := s.ByKey(ctx, testKey(1))
				if err != nil || id.Allow(auth.Do("ssh", "shell")) == id.Allow(auth.Do("ssh", "agent")) {
					t.Errorf("got %v %v, %v", id, id.Scopes, err)
					return
				}
				if _, err := s.Refresh(ctx, id); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-changed:
				default:
				}
			}
		})
	}
	for range 200 {
		for _, scope := range []string{"ssh:agent", "ssh:shell"} {
			if err := s.Swap(set(scope)); err != nil {
				t.Error(err)
			}
		}
	}
	stop()
	wg.Wait()
}
