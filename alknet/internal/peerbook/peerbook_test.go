package peerbook_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/alknet/internal/peerbook"
	"github.com/alkdev/alknet/core/auth"
)

var now = time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)

func key(t *testing.T, last string) auth.Key {
	t.Helper()
	k, err := auth.ParseKey("x509:SHA256:" + strings.Repeat("0", 64-len(last)) + last)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func apply(t *testing.T, b *peerbook.Book, changes ...peerbook.Change) {
	t.Helper()
	for _, c := range changes {
		if err := b.Apply(c, now); err != nil {
			t.Fatal(err)
		}
	}
}

func add(name string, keys ...auth.Key) peerbook.Change {
	return peerbook.Change{AddPeer: &auth.Peer{Name: name, Keys: keys}}
}

func TestAddPeerMerges(t *testing.T) {
	a, b := key(t, "a"), key(t, "b")
	book := &peerbook.Book{}
	later := now.Add(time.Hour)
	apply(t, book,
		peerbook.Change{AddPeer: &auth.Peer{Name: "x", Keys: []auth.Key{a}, Scopes: []string{"git:read:x"}, Note: "first", Expires: later}},
		peerbook.Change{AddPeer: &auth.Peer{Name: "x", Keys: []auth.Key{a, b}, Scopes: []string{"git:read:x", "msg:send"}, Roles: []string{"dev"}}})
	want := auth.Peer{Name: "x", Keys: []auth.Key{a, b}, Scopes: []string{"git:read:x", "msg:send"}, Roles: []string{"dev"},
		Note: "first", Expires: later, Created: now.Truncate(time.Second)}
	got, err := book.Peer("x")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestChangesThatAreRefused(t *testing.T) {
	a, b := key(t, "a"), key(t, "b")
	for _, test := range []struct {
		name   string
		change peerbook.Change
		is     error
		want   string
	}{
		{"key of another", add("y", a), nil, `belongs to peer "x"`},
		{"remove nobody", peerbook.Change{RemovePeer: &peerbook.RemovePeer{Name: "y"}}, peerbook.ErrNoPeer, "peer list"},
		{"remove no key of it", peerbook.Change{RemovePeer: &peerbook.RemovePeer{Name: "x", Key: b}}, nil, "has no key"},
		{"remove the only key", peerbook.Change{RemovePeer: &peerbook.RemovePeer{Name: "x", Key: a}}, nil, "only key"},
		{"enable nobody", peerbook.Change{EnablePeer: "y"}, peerbook.ErrNoPeer, ""},
		{"disable nobody", peerbook.Change{DisablePeer: "y"}, peerbook.ErrNoPeer, ""},
		{"token again", peerbook.Change{AddToken: &peerbook.NewToken{Token: auth.Token{Name: "t"}}}, nil, "exists already"},
		{"remove no token", peerbook.Change{RemoveToken: "u"}, peerbook.ErrNoToken, "token list"},
		{"nothing", peerbook.Change{}, nil, "one change at a time"},
		{"two at once", peerbook.Change{EnablePeer: "x", DisablePeer: "x"}, nil, "one change at a time"},
	} {
		t.Run(test.name, func(t *testing.T) {
			book := &peerbook.Book{}
			apply(t, book, add("x", a), peerbook.Change{AddToken: &peerbook.NewToken{Token: auth.Token{Name: "t", ID: "i"}}})
			before, _ := json.Marshal(book)
			err := book.Apply(test.change, now)
			if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if after, _ := json.Marshal(book); string(after) != string(before) {
				t.Errorf("changed:\n%s\n%s", before, after)
			}
		})
	}
}

func TestLifecycle(t *testing.T) {
	a, b := key(t, "a"), key(t, "b")
	book := &peerbook.Book{}
	apply(t, book, add("x", a, b), peerbook.Change{DisablePeer: "x"})
	if p, _ := book.Peer("x"); !p.Disabled {
		t.Error("not disabled")
	}
	apply(t, book, peerbook.Change{EnablePeer: "x"}, peerbook.Change{RemovePeer: &peerbook.RemovePeer{Name: "x", Key: a}})
	if p, _ := book.Peer("x"); p.Disabled || len(p.Keys) != 1 || p.Keys[0] != b {
		t.Errorf("got %+v", p)
	}
	apply(t, book, add("y", a), peerbook.Change{RemovePeer: &peerbook.RemovePeer{Name: "x"}})
	if _, err := book.Peer("x"); !errors.Is(err, peerbook.ErrNoPeer) {
		t.Errorf("got %v", err)
	}
	for _, by := range []string{"name", "id"} {
		apply(t, book, peerbook.Change{AddToken: &peerbook.NewToken{Token: auth.Token{Name: "name", ID: "id"}, Hash: "sha256:h"}})
		if book.Tokens[0].Hash != "sha256:h" || book.Tokens[0].Created.IsZero() {
			t.Errorf("got %+v", book.Tokens)
		}
		apply(t, book, peerbook.Change{RemoveToken: by})
	}
	if len(book.Tokens) != 0 || len(book.Peers) != 1 {
		t.Errorf("left %+v", book)
	}
}

// TestTokenNameWins: a token may have the name that is another one's id.
func TestTokenNameWins(t *testing.T) {
	book := &peerbook.Book{}
	apply(t, book,
		peerbook.Change{AddToken: &peerbook.NewToken{Token: auth.Token{Name: "one", ID: "two"}}},
		peerbook.Change{AddToken: &peerbook.NewToken{Token: auth.Token{Name: "two", ID: "three"}}},
		peerbook.Change{RemoveToken: "two"})
	if len(book.Tokens) != 1 || book.Tokens[0].Name != "one" {
		t.Errorf("left %+v", book.Tokens)
	}
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers.toml")
	if empty, err := peerbook.Load(path); err != nil || len(empty.Peers)+len(empty.Tokens) != 0 {
		t.Fatalf("missing file: %+v, %v", empty, err)
	}
	book := &peerbook.Book{}
	apply(t, book,
		peerbook.Change{AddPeer: &auth.Peer{Name: "x", Keys: []auth.Key{key(t, "a")}, Scopes: []string{"ssh:exec:echo 'a b'"},
			Note: "quotes ' and \" and \\ and\nlines", Disabled: true, Expires: now.Truncate(time.Second)}},
		peerbook.Change{AddToken: &peerbook.NewToken{Token: auth.Token{Name: "t", ID: "i"}, Hash: "sha256:h"}})
	for _, want := range []*peerbook.Book{book, {}} {
		if err := want.Save(path); err != nil {
			t.Fatal(err)
		}
		got, err := peerbook.Load(path)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}

func TestParseFaults(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"syntax", "[[peer]]\nname = \"x\n", "peers.toml:2:"},
		{"unknown key", "[[peer]]\nname = \"x\"\nkey = \"y\"\n", "peers.toml:3:1"},
		{"unknown table", "[[peers]]\nname = \"x\"\n", "peers.toml:1:"},
		{"bad key", "[[peer]]\nkeys = [\"nonsense\"]\n", "peers.toml:2:"},
		{"wrong type", "peer = 1\n", "peers.toml:1:"},
		{"truncated", "[[peer]]\nname = 'x'\nkeys = ['x509:SHA256:00", "peers.toml:3:"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := peerbook.Parse([]byte(test.text), "peers.toml"); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestChangeTravelsAsJSON(t *testing.T) {
	k := key(t, "a")
	for _, c := range []peerbook.Change{
		{AddPeer: &auth.Peer{Name: "x", Keys: []auth.Key{k}, Expires: now}},
		{RemovePeer: &peerbook.RemovePeer{Name: "x"}},
		{RemovePeer: &peerbook.RemovePeer{Name: "x", Key: k}},
		{AddToken: &peerbook.NewToken{Token: auth.Token{Name: "t", ID: "i", Scopes: []string{"msg:send"}}, Hash: "sha256:h"}},
		{DisablePeer: "x"}, {EnablePeer: "x"}, {RemoveToken: "t"},
	} {
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var got peerbook.Change
		if err := json.Unmarshal(raw, &got); err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%s: got %+v, %v, want %+v", raw, got, err, c)
		}
	}
}

// FuzzParse: what is accepted is written and read back as the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte("[[peer]]\nname = 'x'\nkeys = ['x509:SHA256:" + strings.Repeat("0", 64) + "']\nexpires = 2030-01-01T00:00:00Z\n"))
	f.Add([]byte("[[token]]\nname = 't'\nid = 'i'\nhash = 'sha256:00'\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		book, err := peerbook.Parse(raw, "peers.toml")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "peers.toml:") {
				t.Errorf("an error that names no file: %v", err)
			}
			return
		}
		for _, p := range book.Peers {
			if p.Validate(nil) != nil {
				return // the node refuses it before anything is written
			}
		}
		path := filepath.Join(t.TempDir(), "peers.toml")
		if err := book.Save(path); err != nil {
			t.Fatal(err)
		}
		again, err := peerbook.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		one, _ := json.Marshal(book)
		two, _ := json.Marshal(again)
		if string(one) != string(two) {
			t.Errorf("got %s, want %s", two, one)
		}
	})
}
