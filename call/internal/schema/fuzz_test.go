package schema_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/alkdev/alknet/call/internal/jsontok"
	"github.com/alkdev/alknet/call/internal/schema"
)

// A reference validates with nothing but the library.
type reference struct{ resolved *jsonschema.Resolved }

func newReference(raw []byte) *reference {
	var s jsonschema.Schema
	if json.Unmarshal(raw, &s) != nil {
		return nil
	}
	r, err := s.Resolve(&jsonschema.ResolveOptions{BaseURI: "json-schema:///"})
	if err != nil {
		return nil
	}
	return &reference{r}
}

// validate reports false for values that the library does not see exactly.
func (r *reference) validate(raw []byte) (valid, ok bool) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return false, false
	}
	return r.resolved.Validate(v) == nil, true
}

// inexact finds numbers that float64 does not hold, and what the library
// computes with in float64.
var inexact = regexp.MustCompile(`[0-9]{15}|[0-9][eE]|\\.[0-9]{10}|multipleOf`)

// foldable finds names that the library takes for keywords in another case,
// and keywords of other drafts.
func foldable(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if other := folded[strings.ToLower(k)]; other != "" && other != k || slices.Contains([]string{"dependencies", "additionalItems", "$vocabulary", "$schema"}, k) || foldable(e) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, foldable)
	}
	return false
}

var folded = func() map[string]string {
	m := map[string]string{}
	for sf := range reflect.TypeFor[jsonschema.Schema]().Fields() {
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		m[strings.ToLower(name)] = name
	}
	for _, name := range []string{"type", "items"} {
		m[name] = name
	}
	return m
}()

func FuzzSchema(f *testing.F) {
	for _, g := range suite(f) {
		if len(g.Schema) < 400 && len(g.Tests) > 0 && !strings.HasPrefix(g.file, "refRemote") {
			f.Add([]byte(g.Schema), []byte(g.Tests[0].Data))
		}
	}
	f.Fuzz(func(t *testing.T, raw, value []byte) {
		s, err := schema.Compile(raw)
		if err != nil {
			return
		}
		err = s.Validate(value)
		if valid := jsontok.Valid(value); valid != nil {
			var syntax *jsontok.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("%v, want %v", err, valid)
			}
			return
		}
		var fault *schema.Error
		if err != nil && (!errors.As(err, &fault) || len(fault.Reason) > 400) {
			t.Fatalf("%T %v", err, err)
		}
		if len(raw) > 4096 || inexact.Match(raw) || inexact.Match(value) {
			return
		}
		var tree any
		if lib := newReference(raw); lib != nil && json.Unmarshal(raw, &tree) == nil && !foldable(tree) {
			want, ok := lib.validate(value)
			if ok && (err == nil) != want && (fault == nil || !strings.Contains(fault.Reason, "work to validate")) {
				t.Fatalf("valid %v, the library says %v: %v", err == nil, want, err)
			}
		}
	})
}
