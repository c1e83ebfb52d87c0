package schema

import (
	"strings"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

// among reports whether the value that has been consumed equals one of the
// values (JSON Schema Core, section 4.2.2: numbers by what they mean, objects
// without order).
func (v *validation) among(values []*value, kind jsontok.Kind, start, end int) bool {
	raw := v.sc.Bytes(start, end)
	var text jsontok.Text
	if kind == jsontok.String {
		v.sc.Rewind(start)
		text, _ = v.sc.Text() // checked before
	}
	var tree *value
	for _, lit := range values {
		if lit.kind != kind {
			continue
		}
		switch kind {
		case jsontok.String:
			if text.Is(lit.text) {
				return true
			}
		case jsontok.Object, jsontok.Array:
			if tree == nil {
				var err error
				if tree, err = parse(raw); err != nil {
					return false
				}
			}
			if equal(lit, tree) {
				return true
			}
		case jsontok.Number:
			if parseDecimal(lit.raw).compare(parseDecimal(raw)) == 0 {
				return true
			}
		default:
			return true
		}
	}
	return false
}

func equal(a, b *value) bool {
	if a.kind != b.kind || len(a.items) != len(b.items) || len(a.members) != len(b.members) {
		return false
	}
	switch a.kind {
	case jsontok.String:
		return a.text == b.text
	case jsontok.Number:
		return parseDecimal(a.raw).compare(parseDecimal(b.raw)) == 0
	}
	for i := range a.items {
		if !equal(a.items[i], b.items[i]) {
			return false
		}
	}
	if len(b.members) == 0 {
		return true
	}
	byName := make(map[string]*value, len(b.members))
	for _, m := range b.members {
		byName[m.name] = m.value
	}
	for _, m := range a.members {
		if other := byName[m.name]; other == nil || !equal(m.value, other) {
			return false
		}
	}
	return true
}

func mustBeOneOf(values []*value) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		if b.Len() > 120 {
			b.WriteString("...")
			break
		}
		b.WriteString(excerpt(v.raw))
	}
	if len(values) == 1 {
		return "must be " + b.String()
	}
	return "must be one of " + b.String()
}
