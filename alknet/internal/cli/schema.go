package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// schemaView reads a JSON Schema (Draft 2020-12) for people. What it does not
// know it leaves out: --json has everything.
type schemaView struct {
	root, raw json.RawMessage
	open      []string // references that lead here
	budget    *int     // bytes that may still be read; shared
}

const (
	// maxNesting is how deep a description goes.
	maxNesting = 8
	// maxReading bounds the reading of references that lead on to others, in
	// bytes. What comes after it is shown as any JSON.
	maxReading = 16 << 20
)

func newSchema(raw json.RawMessage) schemaView {
	budget := maxReading
	return schemaView{root: raw, raw: raw, budget: &budget}.followed()
}

func (s schemaView) at(raw json.RawMessage) schemaView {
	s.raw = raw
	return s.followed()
}

// followed resolves a reference within the same schema.
func (s schemaView) followed() schemaView {
	for len(s.open) <= maxNesting {
		ref := textOf(s.member("$ref"))
		path, ok := strings.CutPrefix(ref, "#/")
		if !ok || slices.Contains(s.open, ref) {
			return s
		}
		found := s.root
		for name := range strings.SplitSeq(path, "/") {
			found = s.memberOf(found, strings.NewReplacer("~1", "/", "~0", "~").Replace(name))
		}
		if found == nil {
			return s
		}
		s.raw, s.open = found, append(slices.Clone(s.open), ref)
	}
	return s
}

type member struct {
	name  string
	value json.RawMessage
}

// members are in the order of the text.
func (s schemaView) members(raw json.RawMessage) (all []member) {
	if *s.budget -= len(raw); *s.budget < 0 {
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return nil
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil
		}
		text := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return nil
		}
		all = append(all, member{text, json.RawMessage(bytes.Clone(value))})
	}
	return all
}

func (s schemaView) memberOf(raw json.RawMessage, name string) json.RawMessage {
	for _, m := range s.members(raw) {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

func (s schemaView) member(name string) json.RawMessage { return s.memberOf(s.raw, name) }

func textOf(raw json.RawMessage) string {
	var text string
	_ = json.Unmarshal(raw, &text)
	return text
}

func listOf(raw json.RawMessage) []json.RawMessage {
	var list []json.RawMessage
	_ = json.Unmarshal(raw, &list)
	return list
}

// types are the types that a value may have; none means any.
func (s schemaView) types() []string {
	raw := s.member("type")
	if one := textOf(raw); one != "" {
		return []string{one}
	}
	var several []string
	for _, t := range listOf(raw) {
		several = append(several, textOf(t))
	}
	if several == nil && s.member("properties") != nil {
		return []string{"object"}
	}
	return several
}

// kind is the type in words.
func (s schemaView) kind() string {
	switch {
	case string(bytes.TrimSpace(s.raw)) == "false":
		return "nothing"
	case textOf(s.member("$ref")) != "":
		ref := textOf(s.member("$ref"))
		return ref[strings.LastIndexByte(ref, '/')+1:] + ", as above"
	case s.member("const") != nil:
		return string(s.member("const"))
	case s.member("enum") != nil:
		var values []string
		for _, v := range listOf(s.member("enum")) {
			values = append(values, string(v))
		}
		return "one of " + strings.Join(values, ", ")
	}
	for _, word := range []string{"anyOf", "oneOf"} {
		var kinds []string
		for _, one := range listOf(s.member(word)) {
			kinds = append(kinds, s.at(one).kind())
		}
		if kinds != nil {
			return strings.Join(kinds, " or ")
		}
	}
	var kinds []string
	for _, t := range s.types() {
		switch items := s.member("items"); {
		case t == "array" && items != nil && len(s.open) <= maxNesting:
			t = "array of " + s.at(items).kind()
		case t == "string" && s.member("contentEncoding") != nil:
			t = textOf(s.member("contentEncoding"))
		case t == "string" && s.member("format") != nil:
			t = textOf(s.member("format"))
		}
		kinds = append(kinds, t)
	}
	if kinds == nil {
		return "any JSON"
	}
	return strings.Join(kinds, " or ")
}

// notes are the constraints in words.
func (s schemaView) notes() string {
	var notes []string
	span := func(low, high, unit string) {
		from, to := string(s.member(low)), string(s.member(high))
		switch {
		case from != "" && from == to:
			notes = append(notes, from+unit)
		case from != "" && to != "":
			notes = append(notes, from+" to "+to+unit)
		case from != "":
			notes = append(notes, "at least "+from+unit)
		case to != "":
			notes = append(notes, "at most "+to+unit)
		}
	}
	span("minimum", "maximum", "")
	span("minLength", "maxLength", " characters")
	span("minItems", "maxItems", " items")
	span("minProperties", "maxProperties", " members")
	for _, w := range []struct{ name, words string }{
		{"exclusiveMinimum", "more than "}, {"exclusiveMaximum", "less than "},
		{"multipleOf", "a multiple of "}, {"pattern", "matches "}, {"default", "by default "},
	} {
		if v := s.member(w.name); v != nil {
			notes = append(notes, w.words+string(v))
		}
	}
	if string(s.member("uniqueItems")) == "true" {
		notes = append(notes, "none twice")
	}
	return strings.Join(notes, ", ")
}

// rows list the members of an object, or of the objects in an array: name, type,
// whether it is required, constraints, description.
func (s schemaView) rows(depth int) (rows [][]string) {
	if depth > maxNesting {
		return nil
	}
	if items := s.member("items"); items != nil {
		return s.at(items).rows(depth)
	}
	indent := strings.Repeat("  ", depth)
	required := s.required()
	for _, m := range s.members(s.member("properties")) {
		one := s.at(m.value)
		must := "optional"
		if slices.Contains(required, m.name) {
			must = "required"
		}
		text := textOf(s.memberOf(m.value, "description"))
		rows = append(rows, []string{indent + m.name, one.kind(), must, one.notes(), text})
		if textOf(one.member("$ref")) == "" {
			rows = append(rows, one.rows(depth+1)...)
		}
	}
	if others := s.member("additionalProperties"); len(s.members(others)) > 0 {
		one := s.at(others)
		rows = append(rows, []string{indent + "any name", one.kind(), "optional", one.notes(), textOf(one.member("description"))})
		rows = append(rows, one.rows(depth+1)...)
	}
	return rows
}

func (s schemaView) required() (names []string) {
	for _, name := range listOf(s.member("required")) {
		names = append(names, textOf(name))
	}
	return names
}

// sample is an input to begin with; empty where none is needed.
func (s schemaView) sample() string {
	types := s.types()
	if slices.Contains(types, "null") || types == nil && s.member("enum") == nil && s.member("const") == nil && s.member("default") == nil {
		return ""
	}
	return s.value(0)
}

func (s schemaView) value(depth int) string {
	for _, word := range []string{"default", "const"} {
		if v := s.member(word); v != nil {
			return string(v)
		}
	}
	for _, word := range []string{"examples", "enum"} {
		if list := listOf(s.member(word)); len(list) > 0 {
			return string(list[0])
		}
	}
	for _, word := range []string{"anyOf", "oneOf"} {
		if list := listOf(s.member(word)); len(list) > 0 && depth < maxNesting {
			return s.at(list[0]).value(depth + 1)
		}
	}
	types := s.types()
	if len(types) == 0 || depth > maxNesting {
		return "null"
	}
	switch types[0] {
	case "string":
		return s.text()
	case "integer", "number":
		for _, bound := range []string{"minimum", "maximum"} {
			if v := s.member(bound); v != nil && string(v) != "0" {
				return string(v)
			}
		}
		return "1"
	case "boolean":
		return "true"
	case "array":
		if items := s.member("items"); items != nil {
			return "[" + s.at(items).value(depth+1) + "]"
		}
		return "[]"
	case "object":
		var parts []string
		required := s.required()
		for _, m := range s.members(s.member("properties")) {
			if slices.Contains(required, m.name) {
				parts = append(parts, string(mustJSON(m.name))+":"+s.at(m.value).value(depth+1))
			}
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	return "null"
}

func (s schemaView) text() string {
	switch {
	case s.member("contentEncoding") != nil:
		return `"aGVsbG8="`
	case textOf(s.member("format")) == "date-time":
		return `"2030-01-31T12:00:00Z"`
	}
	return fmt.Sprintf("%q", "text")
}
