package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/alkdev/alknet/call/internal/jsontok"
	"github.com/alkdev/alknet/call/internal/schema"
)

// A generator makes schemas that are mostly about which parts are evaluated.
type generator struct{ *rand.Rand }

func (g generator) schema(depth int) any {
	if depth == 0 || g.IntN(8) == 0 {
		return []any{true, false, map[string]any{"type": "integer"}, map[string]any{"$ref": "#/$defs/x"}, map[string]any{"$dynamicRef": "#x"}, map[string]any{"const": 1}}[g.IntN(6)]
	}
	s := map[string]any{}
	for range 1 + g.IntN(3) {
		switch key := generated[g.IntN(len(generated))]; key {
		case "properties", "dependentSchemas":
			s[key] = map[string]any{string(rune('a' + g.IntN(4))): g.schema(depth - 1), string(rune('a' + g.IntN(4))): g.schema(depth - 1)}
		case "patternProperties":
			s[key] = map[string]any{[]string{"[ab]", "[bc]", "^d"}[g.IntN(3)]: g.schema(depth - 1)}
		case "prefixItems", "allOf", "anyOf", "oneOf":
			list := []any{g.schema(depth - 1)}
			for range g.IntN(3) {
				list = append(list, g.schema(depth-1))
			}
			s[key] = list
		case "if":
			s["if"], s["then"] = g.schema(depth-1), g.schema(depth-1)
			if g.IntN(2) == 0 {
				s["else"] = g.schema(depth - 1)
			}
		case "minContains":
			s["contains"], s[key] = g.schema(depth-1), g.IntN(2)
		case "required":
			s[key] = []string{string(rune('a' + g.IntN(4)))}
		case "$ref":
			s[key] = "#/$defs/x"
		case "$dynamicRef":
			s[key] = []string{"#x", "r"}[g.IntN(2)]
		default:
			s[key] = g.schema(depth - 1)
		}
	}
	return s
}

var generated = []string{
	"properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "unevaluatedProperties", "dependentSchemas", "required",
	"prefixItems", "items", "contains", "minContains", "unevaluatedItems", "unevaluatedItems",
	"allOf", "anyOf", "oneOf", "not", "if", "$ref", "$dynamicRef",
}

func (g generator) value(depth int) any {
	switch n := g.IntN(4); {
	case depth == 0 || n == 0:
		return g.IntN(3)
	case n == 1:
		list := []any{}
		for range g.IntN(4) {
			list = append(list, g.value(depth-1))
		}
		return list
	}
	members := map[string]any{}
	for _, name := range []string{"a", "b", "c", "d"} {
		if g.IntN(2) == 0 {
			members[name] = g.value(depth - 1)
		}
	}
	return members
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAgreesOnUnevaluated(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(1, 2))}
	counts := map[bool]int{}
	for range 1_000 {
		root, _ := g.schema(4).(map[string]any)
		if root == nil {
			continue
		}
		if root["$ref"] == nil {
			root["$dynamicAnchor"] = "x"
		}
		r := map[string]any{"$id": "r", "$defs": map[string]any{"y": map[string]any{"$dynamicAnchor": "x", "type": "object", "unevaluatedProperties": g.schema(1)}}, "items": map[string]any{"$dynamicRef": "#x"}}
		root["$defs"] = map[string]any{"x": g.schema(2), "y": r}
		raw := marshal(t, root)
		s, err := schema.Compile(raw)
		lib := newReference(raw)
		if err != nil || lib == nil {
			continue
		}
		for range 4 {
			value := marshal(t, g.value(3))
			want, ok := lib.validate(value)
			if !ok {
				t.Fatal("not compared")
			}
			counts[want]++
			if err := s.Validate(value); (err == nil) != want {
				t.Fatalf("%s\n%s\nvalid %v, the library says %v: %v", raw, value, err == nil, want, err)
			}
		}
	}
	if counts[true] < 300 || counts[false] < 300 {
		t.Errorf("of the values, %v are valid", counts)
	}
}

// A value in which nothing is left is read once, however deep.
func TestUnevaluatedDeep(t *testing.T) {
	s := compile(t, `{"properties":{"a":{"$ref":"#"},"b":true},"unevaluatedProperties":false}`)
	value := func(leaf string) []byte {
		return []byte(strings.Repeat(`{"a":`, jsontok.MaxDepth-1) + leaf + strings.Repeat(`}`, jsontok.MaxDepth-1))
	}
	long := `"` + strings.Repeat("x", 1<<20) + `"`
	if err := s.Validate(value(`{"b":` + long + `}`)); err != nil {
		t.Error(err)
	}
	want := strings.Repeat("/a", jsontok.MaxDepth-1) + "/c: is a member that is not known"
	if err := s.Validate(value(`{"c":1}`)); err == nil || err.Error() != want {
		t.Error(err)
	}
}

func TestUnevaluatedMany(t *testing.T) {
	const n = 100_001
	items := "[" + strings.Repeat("1,2,", n/2) + "1]"
	var members strings.Builder
	for i := range n {
		fmt.Fprintf(&members, `,"%c%d":%d`, "ab"[i%2], i, 1+i%2)
	}
	object := "{" + members.String()[1:] + "}"
	for _, tt := range []struct{ schema, value, path string }{
		{`{"contains":{"const":1},"unevaluatedItems":{"const":2}}`, items, ""},
		{`{"anyOf":[{"contains":{"const":1}},{"contains":{"const":2}}],"unevaluatedItems":false}`, items, ""},
		{`{"anyOf":[{"contains":{"const":1},"minItems":200000},{"contains":{"const":2}}],"unevaluatedItems":false}`, items, "/0"},
		{`{"contains":{"const":1},"unevaluatedItems":{"const":2}}`, items[:len(items)-2] + "3]", "/100000"},
		{`{"patternProperties":{"^a":{"const":1}},"unevaluatedProperties":{"const":2}}`, object, ""},
		{`{"oneOf":[{"patternProperties":{"^a":{"const":1}}},{"patternProperties":{"^b":{"const":3}}}],"unevaluatedProperties":{"const":3}}`, object, "/b1"},
		{`{"allOf":[{"patternProperties":{"^a":true}},{"patternProperties":{"b99999$":true}}],"unevaluatedProperties":{"const":2}}`, strings.Replace(object, `99999":2`, `99999":3`, 1), ""},
	} {
		err := compile(t, tt.schema).Validate([]byte(tt.value))
		var fault *schema.Error
		if errors.As(err, &fault); (err == nil) != (tt.path == "") || err != nil && (fault == nil || fault.Path != tt.path) {
			t.Errorf("%s: %v", tt.schema, err)
		}
	}
}
