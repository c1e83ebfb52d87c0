package alkhttp

import (
	"strings"
	"testing"
)

func TestParseBearer(t *testing.T) {
	for _, tt := range []struct {
		name, field, token string
		ok                 bool
	}{
		{"plain", "Bearer abc", "abc", true},
		{"any case", "bEaReR abc", "abc", true},
		{"spaces", "Bearer   abc", "abc", true},
		{"all letters", "Bearer aZ0-._~+/==", "aZ0-._~+/==", true},
		{"no scheme", "abc", "", false},
		{"other scheme", "Basic abc", "", false},
		{"no token", "Bearer ", "", false},
		{"padding only", "Bearer ==", "==", false},
		{"padding inside", "Bearer a=b", "", false},
		{"two words", "Bearer a b", "", false},
		{"tab", "Bearer\tabc", "", false},
		{"list", "Bearer a,b", "", false},
		{"long", "Bearer " + strings.Repeat("a", maxCredentials), "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token, ok := parseBearer(tt.field)
			if ok != tt.ok || ok && token != tt.token {
				t.Errorf("got %q, %v; want %q, %v", token, ok, tt.token, tt.ok)
			}
		})
	}
}

func FuzzParseBearer(f *testing.F) {
	for _, s := range []string{"Bearer alk_abc", "bearer  x==", "Basic YTpi", "Bearer =", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, field string) {
		token, ok := parseBearer(field)
		if !ok {
			return
		}
		if token == "" || strings.ContainsAny(token, " \t,\"") || !strings.HasSuffix(field, token) {
			t.Errorf("%q gave %q", field, token)
		}
		if again, ok := parseBearer("Bearer " + token); len(field) < maxCredentials-8 && (!ok || again != token) {
			t.Errorf("%q does not parse again", token)
		}
	})
}
