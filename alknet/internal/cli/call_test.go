package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/alkdev/alknet/call"
)

func TestSyntaxOf(t *testing.T) {
	for _, test := range []struct {
		name, text   string
		line, column int // 0: it is JSON
	}{
		{"object", `{"a":[1,2.5e3,null]}`, 0, 0},
		{"around", " \n7\t", 0, 0},
		{"empty", "", 1, 1},
		{"cut", `{"a":`, 1, 6},
		{"twice", "{\"a\":1,\n \"a\":2}", 2, 2},
		{"second value", "1\n2", 1, 2},
		{"bare word", "{\"é\": yes}", 1, 7},
		{"comment", "{\n  // no\n}", 2, 3},
		{"not UTF-8", "\"\xff\"", 1, 2},
		{"infinity", "[1e999]", 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			at, err := syntaxOf([]byte(test.text))
			if err == nil != (test.line == 0) {
				t.Fatalf("got %v", err)
			}
			if err == nil {
				return
			}
			if line, column := position([]byte(test.text), at); line != test.line || column != test.column {
				t.Errorf("%v at line %d, column %d", err, line, column)
			}
		})
	}
}

func TestEscaped(t *testing.T) {
	in := "{\"a\":\"\u009b31m\u007f\u202e\u2066é√\\u001b\"}\n"
	got := escaped([]byte(in))
	if want := `{"a":"\u009b31m\u007f\u202e\u2066é√\u001b"}` + "\n"; string(got) != want {
		t.Errorf("got %q", got)
	}
	var before, after map[string]string
	if json.Unmarshal([]byte(in), &before) != nil || json.Unmarshal(got, &after) != nil || before["a"] != after["a"] {
		t.Error("it means something else")
	}
}

func TestSimilar(t *testing.T) {
	all := []described{{Name: "node/status"}, {Name: "node/peers"}, {Name: "math/add"}, {Name: "far/away/from/all"}}
	for name, want := range map[string]string{
		"node/statu": "node/status", "nod/peers": "node/peers", "add": "math/add", "maths/add": "math/add",
		"x/status": "node/status", "nothing/like/that": "", "": "",
	} {
		if got := strings.Join(similar(name, all), " "); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

const storeSchema = `{
	"type": "object", "required": ["id", "tree"], "additionalProperties": {"type": "number"},
	"properties": {
		"id": {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^a", "examples": ["abc"]},
		"level": {"enum": ["low", 2], "description": "how\u001b[31m loud"},
		"size": {"type": ["integer", "null"], "minimum": 0, "exclusiveMaximum": 10, "default": 3},
		"tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": true},
		"when": {"type": "string", "format": "date-time"},
		"tree": {"$ref": "#/$defs/tree"},
		"either": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"x": {}}}]},
		"never": false, "lost": {"$ref": "https://example.org/x"}
	},
	"$defs": {"tree": {"type": "object", "required": ["left"], "properties": {"left": {"$ref": "#/$defs/tree"}, "n": {"type": "integer"}}}}
}`

func TestPrintOperation(t *testing.T) {
	var out bytes.Buffer
	some := []string{"store:write", "admin"}
	printOperation(&out, "home", described{
		Name: "store/put", Type: call.TypeMutation, Description: "Puts\x1b it.",
		Input: json.RawMessage(storeSchema), Output: json.RawMessage(`{}`),
		Errors: []describedError{{Code: "FULL", Description: "No room."}},
		Access: describedAccess{Scopes: []string{"call:store/put"}, AnyScope: &some},
	})
	want := `store/put  mutation
Puts? it.

needs    call:store/put, store:write or admin

input    object
  id        string                required  1 to 9 characters, matches "^a"
  level     one of "low", 2       optional                                             how?[31m loud
  size      integer or null       optional  at least 0, less than 10, by default 3
  tags      array of string       optional  at least 1 items, none twice
  when      date-time             optional
  tree      object                required
    left    tree, as above        required
    n       integer               optional
  either    string or object      optional
  never     nothing               optional
  lost      x, as above           optional
  any name  number                optional

output   any JSON

errors
  FULL  No room.

example
  alknet call home store/put '{"id":"abc","tree":{"left":null}}'
`
	var got []string
	for _, line := range strings.Split(out.String(), "\n") {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	var wanted []string
	for _, line := range strings.Split(want, "\n") {
		wanted = append(wanted, strings.Join(strings.Fields(line), " "))
	}
	if strings.Join(got, "\n") != strings.Join(wanted, "\n") {
		t.Errorf("got\n%s", out.String())
	}
}

// Schemas come from other nodes: whatever they are, they are shown in a bounded
// way and with nothing that acts on a terminal.
func FuzzPrintOperation(f *testing.F) {
	f.Add(storeSchema)
	f.Add(`{"$ref":"#"}`)
	f.Add(`{"$ref":"#/a","a":{"$ref":"#/b"},"b":{"$ref":"#/a"}}`)
	f.Add(`{"items":{"items":{"items":{"$ref":"#/items"}}}}`)
	f.Add(`{"anyOf":[{"$ref":"#/anyOf/0"},{"oneOf":[true,false]}]}`)
	f.Add(`{"properties":7,"required":{},"type":[1],"enum":{}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			return
		}
		var out bytes.Buffer
		raw := json.RawMessage(text)
		printOperation(&out, "home", described{Name: "a/b", Input: raw, Output: raw, Errors: []describedError{{Schema: raw}}})
		if strings.ContainsFunc(strings.ReplaceAll(out.String(), "\n", ""), func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
			t.Errorf("control characters in %q", out.String())
		}
	})
}

func TestCallErrorText(t *testing.T) {
	e := &callError{node: "home", operation: "a/b", failed: call.Errorf("FULL", "no\x1b[2J room"), todo: "wait"}
	if got := oneLine(e); got != "home: a/b: FULL: no?[2J room: wait" {
		t.Errorf("got %q", got)
	}
	if exitCode(&callError{failed: call.Errorf(call.CodeForbidden, "no")}) != exitRefused || exitCode(e) != exitFailed {
		t.Error("the exit codes")
	}
}

// References to each other in every order are read in part.
func TestSchemaOfManyReferences(t *testing.T) {
	var refs, defs []string
	for _, name := range "abcdefghijklmnop" {
		refs = append(refs, `{"$ref":"#/$defs/`+string(name)+`"}`)
	}
	for _, name := range "abcdefghijklmnop" {
		defs = append(defs, `"`+string(name)+`":{"anyOf":[`+strings.Join(refs, ",")+`]}`)
	}
	s := newSchema(json.RawMessage(`{"$ref":"#/$defs/a","$defs":{` + strings.Join(defs, ",") + `}}`))
	s.kind()
	s.sample()
	if *s.budget > 0 {
		t.Errorf("%d bytes were left: there is nothing to bound", *s.budget)
	}
}
