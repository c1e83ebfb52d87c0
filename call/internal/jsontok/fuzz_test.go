package jsontok_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

// jsontext is strict by default, in the same sense. Depth is the one
// difference that is meant.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{"type":"call.requested","id":"r-1","payload":{"operationId":"/math/add","input":{"a":2}}}`,
		`[1,-0.5e+10,"\ud83d\ude00\n",true,false,null]`, `{"a":1,"\u0061":2}`, "\xef\xbb\xbf{}", "\"\xc0\x80\"", `"\ud800"`, `{} {}`, `[1,]`, members(20),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		err := jsontok.Valid(in)
		if err != nil && strings.Contains(err.Error(), "128 deep") {
			return
		}
		dec := jsontext.NewDecoder(bytes.NewReader(in))
		want := true
		if _, e := dec.ReadValue(); e != nil {
			want = false
		} else if _, e := dec.ReadToken(); e == nil || e.Error() != "EOF" {
			want = false
		}
		if (err == nil) != want {
			t.Fatalf("valid %v (%v), jsontext says %v", err == nil, err, want)
		}
		var sc jsontok.Scanner
		sc.Reset(in)
		if e := pull(t, &sc); (e == nil) != want {
			t.Fatalf("pulled %v, want valid %v", e, want)
		}
	})
}

// pull consumes the input by the smallest steps and compares what strings mean.
func pull(t *testing.T, sc *jsontok.Scanner) error {
	if err := pullValue(t, sc); err != nil {
		return err
	}
	return sc.End()
}

func pullValue(t *testing.T, sc *jsontok.Scanner) error {
	switch sc.Kind() {
	case jsontok.String:
		text, err := sc.Text()
		if err != nil {
			return err
		}
		want, err := jsontext.AppendUnquote(nil, append(append([]byte{'"'}, text.Raw()...), '"'))
		if err != nil || text.String() != string(want) || !text.Is(string(want)) || text.Is(string(want)+"x") || text.Runes() != len([]rune(string(want))) {
			t.Fatalf("%q is %q, want %q, %v", text.Raw(), text, want, err)
		}
		return nil
	case jsontok.Object:
		obj, err := sc.Object()
		for err == nil {
			_, ok, e := sc.Member(&obj)
			if e != nil || !ok {
				return e
			}
			err = pullValue(t, sc)
		}
		return err
	case jsontok.Array:
		arr, err := sc.Array()
		for err == nil {
			ok, e := sc.Element(&arr)
			if e != nil || !ok {
				return e
			}
			err = pullValue(t, sc)
		}
		return err
	case jsontok.Number:
		_, err := sc.Number()
		return err
	}
	_, err := sc.Skip()
	return err
}
