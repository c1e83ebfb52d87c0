package schema

import (
	"fmt"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

// A shape is where the value of a keyword has schemas.
type shape int

const (
	plain  shape = iota // nowhere
	single              // it is one
	list                // an array of them
	table               // an object of them
)

// keywords are those that this package knows: everything else is an
// annotation. inPlace keywords apply their schemas to the value itself instead
// of to a part of it.
var keywords = map[string]struct {
	shape   shape
	inPlace bool
}{
	"$id": {}, "$anchor": {}, "$dynamicAnchor": {}, "$ref": {}, "$dynamicRef": {},
	"$defs": {shape: table}, "definitions": {shape: table},
	"type": {}, "enum": {}, "const": {},
	"multipleOf": {}, "minimum": {}, "maximum": {}, "exclusiveMinimum": {}, "exclusiveMaximum": {},
	"minLength": {}, "maxLength": {}, "pattern": {},
	"minItems": {}, "maxItems": {}, "items": {shape: single}, "prefixItems": {shape: list}, "uniqueItems": {},
	"contains": {shape: single}, "minContains": {}, "maxContains": {},
	"minProperties": {}, "maxProperties": {}, "required": {}, "dependentRequired": {},
	"properties": {shape: table}, "patternProperties": {shape: table}, "additionalProperties": {shape: single}, "propertyNames": {shape: single},
	"allOf": {shape: list, inPlace: true}, "anyOf": {shape: list, inPlace: true}, "oneOf": {shape: list, inPlace: true},
	"not": {shape: single, inPlace: true}, "dependentSchemas": {shape: table, inPlace: true},
	"if": {shape: single, inPlace: true}, "then": {shape: single, inPlace: true}, "else": {shape: single, inPlace: true},
	"unevaluatedItems": {shape: single}, "unevaluatedProperties": {shape: single},
}

// subschemas are the schemas directly in v.
func subschemas(v *value) []*value {
	var all []*value
	for _, m := range v.members {
		switch keywords[m.name].shape {
		case single:
			all = append(all, m.value)
		case list:
			all = append(all, m.value.items...)
		case table:
			for _, sub := range m.value.members {
				all = append(all, sub.value)
			}
		}
	}
	return all
}

// check reports a keyword whose value has the wrong form.
func check(v *value) error {
	if isBool(v) {
		return nil
	}
	if v.kind != jsontok.Object {
		return fmt.Errorf("a schema must be an object or a boolean, not %s", excerpt(v.raw))
	}
	for _, m := range v.members {
		if want := misformed(m.name, m.value); want != "" {
			return fmt.Errorf("%s must be %s, not %s", m.name, want, excerpt(m.value.raw))
		}
	}
	return nil
}

func misformed(keyword string, v *value) (want string) {
	switch keywords[keyword].shape {
	case list:
		if v.kind != jsontok.Array || len(v.items) == 0 {
			return "an array of schemas"
		}
	case table:
		if v.kind != jsontok.Object {
			return "an object of schemas"
		}
	}
	switch keyword {
	case "$ref", "$dynamicRef", "$anchor", "$dynamicAnchor", "$id", "$schema", "pattern":
		if v.kind != jsontok.String {
			return "a string"
		}
	case "multipleOf":
		if d, ok := number(v); !ok || d.sign() <= 0 {
			return "a number above 0"
		}
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		if v.kind != jsontok.Number {
			return "a number"
		}
	case "minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains", "minProperties", "maxProperties":
		if d, ok := number(v); !ok || d.sign() < 0 || !d.isInteger() {
			return "an integer that is not negative"
		}
	case "required":
		if !isStrings(v) {
			return "an array of strings"
		}
	case "dependentRequired":
		for _, m := range v.members {
			if !isStrings(m.value) {
				return "an object of arrays of strings"
			}
		}
		if v.kind != jsontok.Object {
			return "an object of arrays of strings"
		}
	case "enum":
		if v.kind != jsontok.Array {
			return "an array"
		}
	case "uniqueItems":
		if !isBool(v) {
			return "a boolean"
		}
	case "type":
		if v.kind != jsontok.String && (!isStrings(v) || len(v.items) == 0) {
			return "a string or an array of strings"
		}
	}
	return ""
}

func isStrings(v *value) bool {
	for _, item := range v.items {
		if item.kind != jsontok.String {
			return false
		}
	}
	return v.kind == jsontok.Array
}
