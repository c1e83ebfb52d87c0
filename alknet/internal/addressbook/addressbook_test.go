package addressbook_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/alkdev/alknet/alknet/internal/addressbook"
)

func TestBook(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nodes.toml")
	b, err := addressbook.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "Big", "-x", "a b", "self", "47pjoycnsrfmxikm95jh13y88e8qnhzu5kungjpxyepgt7a8krpy", strings.Repeat("a", 64)} {
		if err := b.Add(name, "h:1"); err == nil {
			t.Errorf("name %q was accepted", name)
		}
	}
	for name, address := range map[string]string{"b": "h:1", "a-1": "[::1]:1"} {
		if err := b.Add(name, address); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Add("b", "h:2"); err != nil {
		t.Fatal(err)
	}
	if err := b.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := addressbook.Load(path)
	if err != nil || !reflect.DeepEqual(got, b) || got["b"] != "h:2" {
		t.Fatalf("got %v, %v, want %v", got, err, b)
	}
	if names := got.Names(); !reflect.DeepEqual(names, []string{"a-1", "b"}) {
		t.Errorf("names %v", names)
	}
	if err := got.Remove("b"); err != nil {
		t.Error(err)
	}
	if err := got.Remove("b"); !errors.Is(err, addressbook.ErrNoNode) {
		t.Errorf("again: %v", err)
	}
}

func TestLoadFaults(t *testing.T) {
	for _, test := range []struct{ name, text string }{
		{"syntax", "[nodes]\nx = \n"},
		{"unknown key", "[node]\nx = 'h:1'\n"},
		{"wrong type", "[nodes]\nx = 1\n"},
		{"bad name", "[nodes]\nBig = 'h:1'\n"},
		{"too long", "#" + strings.Repeat("x", 1<<20)},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "nodes.toml")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if b, err := addressbook.Load(path); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, %v", b, err)
			}
		})
	}
}

// FuzzParse: what is accepted has valid names only, and an error names the file.
func FuzzParse(f *testing.F) {
	f.Add([]byte("[nodes]\nhome = 'h:1'\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := addressbook.Parse(raw, "nodes.toml")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "nodes.toml:") {
				t.Errorf("an error that names no file: %v", err)
			}
			return
		}
		for name, address := range b {
			if err := b.Add(name, address); err != nil {
				t.Error(err)
			}
		}
	})
}
