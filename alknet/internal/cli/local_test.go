package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/dial"
)

func TestExitCode(t *testing.T) {
	refused := &core.CloseError{Code: core.CodeForbidden, Remote: true}
	for _, test := range []struct {
		name string
		err  error
		want int
	}{
		{"none", nil, 0},
		{"any", errors.New("x"), 1},
		{"usage", fmt.Errorf("outer: %w", usagef("x")), 2},
		{"refused by the peer", fmt.Errorf("outer: %w", refused), 3},
		{"closed here", &core.CloseError{Code: core.CodeForbidden}, 1},
		{"forbidden", fmt.Errorf("outer: %w", core.ErrForbidden), 3},
		{"unreachable", fmt.Errorf("outer: %w", &dial.UnreachableError{}), 4},
		{"no address", &dial.NoAddressError{}, 4},
		{"given", exitError(7), 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := exitCode(test.err); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func TestExpiry(t *testing.T) {
	for _, test := range []struct {
		text string
		want string // RFC 3339; empty: refused
	}{
		{"30d", "2030-02-01T12:00:00Z"},
		{"1d", "2030-01-03T12:00:00Z"},
		{"2w", "2030-01-16T12:00:00Z"},
		{"12h", "2030-01-03T00:00:00Z"},
		{"90m", "2030-01-02T13:30:00Z"},
		{"2030-01-31", "2030-01-31T00:00:00Z"},
		{"2030-01-31T10:00:00+01:00", "2030-01-31T09:00:00Z"},
		{"0d", ""}, {"d", ""}, {"-1d", ""}, {"1.5d", ""}, {"-12h", ""}, {"0s", ""}, {"999999w", ""},
		{"2030-01-02", ""}, {"2001-01-01", ""}, {"2030-13-01", ""}, {"30", ""}, {"soon", ""}, {"30 d", ""},
	} {
		t.Run(test.text, func(t *testing.T) {
			got, err := parseExpiry(test.text, noon)
			if test.want == "" {
				var usage *usageError
				if !errors.As(err, &usage) {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if err != nil || got.Format(time.RFC3339) != test.want {
				t.Errorf("got %v, %v, want %s", got, err, test.want)
			}
		})
	}
	if got, err := parseExpiry("", noon); err != nil || !got.IsZero() {
		t.Errorf("none: %v, %v", got, err)
	}
}

func FuzzExpiry(f *testing.F) {
	for _, seed := range []string{"30d", "2w", "1h30m", "2030-01-31", "9999-12-31T23:59:59-23:59"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := parseExpiry(text, noon)
		if err == nil && text != "" && (at.Before(noon) || at.Year() > 9999) {
			t.Errorf("%q is %v", text, at)
		}
	})
}

func TestOwns(t *testing.T) {
	for _, test := range []struct {
		scope string
		owns  bool
	}{
		{"admin", true}, {"ssh:shell", true}, {"ssh:exec", true}, {"ssh:*", true},
		{"ssh:exec:git status", false}, {"ssh:forward", false}, {"ssh:listen", false}, {"git:*", false},
		{"sftp:write", false}, {"call:*", false}, {"http:admin", false},
	} {
		t.Run(test.scope, func(t *testing.T) {
			s, err := auth.ParseScope(test.scope)
			if err != nil {
				t.Fatal(err)
			}
			if got := owns(s) != ""; got != test.owns {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestKeyInFile(t *testing.T) {
	const line = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQE= me"
	for _, test := range []struct{ name, text, want string }{
		{"one line", line, ""},
		{"comments and Windows ends", "# mine\r\n\r\n" + line + "\r\n", ""},
		{"node id", "47pjoycnsrfmxikm95jh13y88e8qnhzu5kungjpxyepgt7a8krpy\n", ""},
		{"two", line + "\n" + line, "more than one"},
		{"empty", "\n# nothing\n", "no key"},
		{"private", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", ".pub"},
		{"options", `command="x" ` + line, "options"},
		{"long", strings.Repeat("#", maxKeyFile+1), "too long"},
		{"binary", "\x00\xff", "key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			k, err := keyInFile([]byte(test.text))
			if test.want == "" {
				if err != nil || k.IsZero() {
					t.Errorf("got %v, %v", k, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func FuzzKeyInFile(f *testing.F) {
	f.Add([]byte("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQE= me\n"))
	f.Add([]byte("# x\n\ned25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		k, err := keyInFile(raw)
		if (err == nil) == k.IsZero() {
			t.Errorf("got %v, %v", k, err)
		}
	})
}

func TestPrintableKeepsControlCharactersAway(t *testing.T) {
	if got := printable("a\x1b[31mb\u009bc\ndé"); got != "a?[31mb?c?dé" {
		t.Errorf("got %q", got)
	}
}

func TestProgram(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv(datadir.Environment, filepath.Join(dir, "usual"))
	t.Setenv("PATH", dir)
	name := "alknet"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if err := os.WriteFile(name, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, data, want string }{
		{"alknet", "", "alknet"},
		{"./" + name, "", "./" + name},
		{filepath.Join(dir, name), "", auth.JoinArgv([]string{filepath.Join(dir, name)})},
		{"gone", "", auth.JoinArgv([]string{self})},
		{"alknet", "usual", "alknet"},
		{"alknet", "./usual/", "alknet"},
		{"alknet", "other", "alknet --data other"},
		{"alknet", "my $data's", `alknet --data 'my $data'\''s'`},
	} {
		t.Run(test.name+" "+test.data, func(t *testing.T) {
			if got := (&env{name: test.name, data: test.data}).program(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
