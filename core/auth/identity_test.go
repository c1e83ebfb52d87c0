package auth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/core/auth"
)

func TestZeroIdentityIsNobody(t *testing.T) {
	admin, err := auth.ParseScopes([]string{"admin"})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []auth.Identity{{}, {Name: "x", Scopes: admin}} {
		if !id.IsZero() || id.Allow(auth.Do("ssh", "shell")) || id.AllowSome("ssh", "shell") {
			t.Errorf("%+v is somebody", id)
		}
		if id.String() != "nobody" {
			t.Errorf("it is called %s", id)
		}
	}
}

func TestIdentityExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scopes, err := auth.ParseScopes([]string{"ssh:shell"})
		if err != nil {
			t.Fatal(err)
		}
		id := auth.Identity{Name: "ada", Kind: auth.KindPeer, Scopes: scopes, Expires: time.Now().Add(time.Hour)}
		shell := auth.Do("ssh", "shell")
		if !id.Allow(shell) || !id.AllowSome("ssh", "shell") {
			t.Error("refused before the expiry")
		}
		<-time.After(time.Hour)
		if id.Allow(shell) || id.AllowSome("ssh", "shell") {
			t.Error("allowed at the expiry time")
		}
	})
}

func TestOwner(t *testing.T) {
	k, err := auth.ParseKey(node1)
	if err != nil {
		t.Fatal(err)
	}
	owner := auth.Owner(k)
	if owner.Kind != auth.KindOwner || owner.Name != "self" || !owner.Allow(auth.Do("git", "admin")) {
		t.Errorf("got %+v", owner)
	}
	if owner.String() != "owner self" || owner.Credential.String() != k.String() {
		t.Errorf("got %v, %v", owner, owner.Credential)
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "laptop-2", "0", strings.Repeat("a", 63)} {
		if err := auth.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "-a", "A", "a.b", "a b", "ä", "self", node1, strings.Repeat("a", 64)} {
		if err := auth.CheckName(name); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

func TestPeerValidate(t *testing.T) {
	k, err := auth.ParseKey(node1)
	if err != nil {
		t.Fatal(err)
	}
	keys := []auth.Key{k}
	roles := auth.Roles{"dev": {"git:write:**"}, "odd": {"nonsense"}}
	tests := []struct {
		name string
		peer auth.Peer
		want string // "": valid
	}{
		{"smallest", auth.Peer{Name: "ada", Keys: keys}, ""},
		{"role", auth.Peer{Name: "ada", Keys: keys, Roles: []string{"dev"}}, ""},
		{"zero", auth.Peer{}, "name"},
		{"no key", auth.Peer{Name: "ada"}, "no key"},
		{"zero key", auth.Peer{Name: "ada", Keys: []auth.Key{k, {}}}, "key 2 is empty"},
		{"scope", auth.Peer{Name: "ada", Keys: keys, Scopes: []string{"ssh"}}, `scope "ssh"`},
		{"role that is not there", auth.Peer{Name: "ada", Keys: keys, Roles: []string{"ops"}}, `role "ops"`},
		{"role that does not parse", auth.Peer{Name: "ada", Keys: keys, Roles: []string{"odd"}}, `role "odd"`},
		{"note", auth.Peer{Name: "ada", Keys: keys, Note: strings.Repeat("x", 1025)}, "note"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.peer.Validate(roles)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var entry *auth.EntryError
			if !errors.As(err, &entry) || entry.Kind != "peer" || entry.Name != tt.peer.Name {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not contain %q", err, tt.want)
			}
		})
	}
}

func TestRoles(t *testing.T) {
	roles := auth.Roles{"dev": {"ssh:forward:*:*", "git:write:**"}}
	if err := roles.Validate(); err != nil {
		t.Fatal(err)
	}
	scopes, err := roles.Expand([]string{"dev"}, []string{"msg:send"})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(scopes.Strings(), " "); got != "msg:send ssh:forward:*:* git:write:**" {
		t.Errorf("got %s", got)
	}
	for _, bad := range []auth.Roles{{"Dev": nil}, {"dev": {"ssh"}}} {
		var entry *auth.EntryError
		if err := bad.Validate(); !errors.As(err, &entry) || entry.Kind != "role" {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestNewToken(t *testing.T) {
	secret, token, err := auth.NewToken("ci")
	if err != nil {
		t.Fatal(err)
	}
	text := secret.Reveal()
	if !strings.HasPrefix(text, "alk_") || len(text) != 44 || !strings.HasPrefix(text, token.ID) || len(token.ID) != 12 {
		t.Errorf("secret %d characters, id %q", len(text), token.ID)
	}
	sum, ok := auth.TokenDigest(text)
	stored, err := token.Digest()
	if !ok || err != nil || sum != stored || token.Hash != auth.HashToken(text) {
		t.Errorf("digests %x and %x, %v", sum, stored, err)
	}
	if err := token.Validate(nil); err != nil {
		t.Error(err)
	}
	other, _, err := auth.NewToken("ci")
	if err != nil || other == secret {
		t.Error("two tokens are alike")
	}
	if _, _, err := auth.NewToken("Not A Name"); err == nil {
		t.Error("a bad name is accepted")
	}
}

func TestTokenDigestRefuses(t *testing.T) {
	for _, s := range []string{"", "alk_", "alk_" + strings.Repeat("a", 21), "xyz_" + strings.Repeat("a", 40), "alk_" + strings.Repeat("a", 600)} {
		if _, ok := auth.TokenDigest(s); ok {
			t.Errorf("%d characters are accepted", len(s))
		}
	}
}

func TestTokenValidate(t *testing.T) {
	hash := "sha256:" + digits
	tests := []struct {
		name  string
		token auth.Token
		want  string
	}{
		{"valid", auth.Token{Name: "ci", ID: "alk_abcd", Hash: hash}, ""},
		{"no name", auth.Token{ID: "alk_abcd", Hash: hash}, "name"},
		{"no id", auth.Token{Name: "ci", Hash: hash}, "id"},
		{"whole secret for an id", auth.Token{Name: "ci", ID: "alk_" + strings.Repeat("a", 40), Hash: hash}, "id"},
		{"control character in the id", auth.Token{Name: "ci", ID: "alk_a\nb5", Hash: hash}, "id"},
		{"plain hash", auth.Token{Name: "ci", ID: "alk_abcd", Hash: digits}, "sha256:"},
		{"upper-case hash", auth.Token{Name: "ci", ID: "alk_abcd", Hash: "sha256:" + strings.ToUpper(digits)}, "lower-case"},
		{"scope", auth.Token{Name: "ci", ID: "alk_abcd", Hash: hash, Scopes: []string{"x"}}, `scope "x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.token.Validate(nil)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var entry *auth.EntryError
			if !errors.As(err, &entry) || entry.Kind != "token" || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestTokenSecretIsRedacted(t *testing.T) {
	secret, token, err := auth.NewToken("ci")
	if err != nil {
		t.Fatal(err)
	}
	hidden := strings.TrimPrefix(secret.Reveal(), token.ID)
	nested := struct{ S auth.TokenSecret }{secret}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %v"} {
		for _, v := range []any{secret, &secret, nested, []auth.TokenSecret{secret}} {
			if out := fmt.Sprintf(verb, v, v); strings.Contains(out, hidden) || strings.Contains(out, fmt.Sprintf("%x", hidden)) {
				t.Errorf("%s of %T shows the secret", verb, v)
			}
		}
	}
	encoded, err := json.Marshal(nested)
	if err != nil || strings.Contains(string(encoded), hidden) {
		t.Errorf("JSON: %s, %v", encoded, err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("made", "token", secret, "nested", nested)
	slog.New(slog.NewTextHandler(&log, nil)).Info("made", "token", secret, "nested", nested)
	if strings.Contains(log.String(), hidden) {
		t.Errorf("log: %s", log.String())
	}
}

func TestCredentialShowsNoDigest(t *testing.T) {
	_, token, err := auth.NewToken("ci")
	if err != nil {
		t.Fatal(err)
	}
	cred, err := token.Credential()
	if err != nil {
		t.Fatal(err)
	}
	id := auth.Identity{Name: "ci", Kind: auth.KindToken, Credential: cred}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("in", "id", id)
	for _, verb := range []string{"%v", "%+v", "%#v", "%x"} {
		fmt.Fprintf(&log, verb, cred)
		fmt.Fprintf(&log, verb, id)
	}
	sum, _ := cred.Digest()
	if strings.Contains(log.String(), fmt.Sprintf("%x", sum)) || strings.Contains(log.String(), fmt.Sprintf("0x%x, ", sum[0])+fmt.Sprintf("0x%x", sum[1])) {
		t.Errorf("the digest shows: %s", log.String())
	}
	if !strings.Contains(log.String(), token.ID) {
		t.Errorf("the public id does not show: %s", log.String())
	}
}
