package auth_test

import (
	"slices"
	"testing"

	"github.com/alkdev/alknet/core/auth"
)

func TestParseArgv(t *testing.T) {
	tests := []struct {
		in   string
		want []string // nil: refused
	}{
		{"git status", []string{"git", "status"}},
		{"\tgit \t status ", []string{"git", "status"}},
		{"git-upload-pack '/team/app.git'", []string{"git-upload-pack", "/team/app.git"}},
		{`'it'\''s'`, []string{"it's"}},
		{`a"b c"d`, []string{"ab cd"}},
		{`"\$\\\"\x"`, []string{`$\"\x`}},
		{`\;\ \*`, []string{"; *"}},
		{`""`, []string{""}},
		{`a '' b`, []string{"a", "", "b"}},
		{"a#b c~d", []string{"a#b", "c~d"}},
		{"'a\nb'", []string{"a\nb"}},
		{"stash@{1} x=y", []string{"stash@{1}", "x=y"}},
		{"", nil}, {"  ", nil},
		{"a;b", nil}, {"a&", nil}, {"a|b", nil}, {"a>b", nil}, {"a<b", nil}, {"(a)", nil},
		{"$HOME", nil}, {`"$HOME"`, nil}, {"`id`", nil}, {"\"`id`\"", nil},
		{"*.c", nil}, {"a?", nil}, {"[a]", nil}, {"~/x", nil}, {"# a", nil},
		{"a\nb", nil}, {"a\rb", nil}, {"a\x00b", nil}, {"'a\x00b'", nil}, {"\"a\x00b\"", nil}, {"\\\x00", nil},
		{"a\\\nb", nil}, {"\"a\\\nb\"", nil},
		{"'a", nil}, {`"a`, nil}, {`"a\`, nil}, {`a\`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := auth.ParseArgv(tt.in)
			if (err != nil) != (tt.want == nil) || !slices.Equal(got, tt.want) {
				t.Fatalf("got %q, %v; want %q", got, err, tt.want)
			}
			if err != nil {
				return
			}
			again, err := auth.ParseArgv(auth.JoinArgv(got))
			if err != nil || !slices.Equal(again, got) {
				t.Errorf("joined and parsed again: %q, %v", again, err)
			}
		})
	}
}
