package schema

import (
	"encoding"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// For is [ForType] of T.
func For[T any]() (stdjson.RawMessage, error) { return ForType(reflect.TypeFor[T]()) }

// ForType derives a schema of what go-json-experiment/json encodes values of t
// as, and reads into them:
//
//   - A struct is an object without members that the type does not have. Fields
//     are required unless marked omitempty or omitzero, or promoted through an
//     embedded pointer. The tag `jsonschema:"text"` describes a field.
//   - A pointer is nullable, except that of an optional field. Slices and maps
//     are not: nil ones are encoded as [] and {}.
//   - []byte is a string of base64, [time.Time] one of RFC 3339. What encodes
//     itself as text is a string; any, [encoding/json.RawMessage] and types
//     that encode themselves otherwise are anything.
//   - Integers of up to 32 bits have their limits. The schema leaves those of
//     64 bits, and 1.0 for 1, to the decoder, which refuses them.
//   - A type that contains itself is defined in $defs.
//
// If no member is required of t itself, null is accepted beside an object,
// for callers without input leave it out: above all for struct{}.
// Equal types give equal bytes.
func ForType(t reflect.Type) (stdjson.RawMessage, error) {
	if t == nil {
		return nil, errors.New("derive schema: no type")
	}
	d := deriver{open: map[reflect.Type]bool{}, recursive: map[reflect.Type]bool{}, done: map[reflect.Type]bool{}, names: map[reflect.Type]string{}, taken: map[string]bool{}}
	if _, err := d.derive(t); err != nil {
		return nil, fmt.Errorf("derive schema of %v: %w", t, err)
	}
	// Now that the recursive types are known.
	d.naming, d.size = true, 0
	root, err := d.derive(t)
	if err != nil {
		return nil, fmt.Errorf("derive schema of %v: %w", t, err)
	}
	if t.Kind() == reflect.Struct && root.get("type") == `"object"` && root.get("required") == "" {
		root.set("type", `["object","null"]`)
	}
	if len(d.defs) > 0 {
		root.set("$defs", d.defs.String())
	}
	raw := stdjson.RawMessage(root.String())
	if _, err := Compile(raw); err != nil {
		return nil, fmt.Errorf("derive schema of %v: %w", t, err)
	}
	return raw, nil
}

// maxDerived bounds what types that use others over and over expand to.
const maxDerived = 10_000

type deriver struct {
	open, done map[reflect.Type]bool
	recursive  map[reflect.Type]bool
	naming     bool // refer to recursive types by name
	names      map[reflect.Type]string
	taken      map[string]bool
	defs       object
	size       int
}

func (d *deriver) derive(t reflect.Type) (object, error) {
	if d.size++; d.size > maxDerived {
		return nil, errors.New("the type is too large")
	}
	if t.Name() == "" {
		return d.inline(t)
	}
	if d.naming && d.recursive[t] {
		return d.refer(t)
	}
	if d.open[t] {
		d.recursive[t] = true
		return nil, nil
	}
	if !d.naming && d.done[t] {
		return nil, nil
	}
	d.open[t] = true
	o, err := d.inline(t)
	delete(d.open, t)
	d.done[t] = true
	return o, err
}

func (d *deriver) refer(t reflect.Type) (object, error) {
	name, ok := d.names[t]
	if !ok {
		base := identifier(t.Name())
		name = base
		for i := 2; d.taken[name]; i++ {
			name = base + strconv.Itoa(i)
		}
		d.taken[name], d.names[t] = true, name
		at := len(d.defs)
		d.defs = append(d.defs, pair{key: name})
		o, err := d.inline(t)
		if err != nil {
			return nil, err
		}
		d.defs[at].value = o.String()
	}
	return object{{"$ref", quote("#/$defs/" + name)}}, nil
}

func identifier(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if c < '0' || c > '9' {
				b[i] = '_'
			}
		}
	}
	return string(b)
}

func (d *deriver) inline(t reflect.Type) (object, error) {
	if o, ok := ofMethods(t); ok {
		return o, nil
	}
	switch t.Kind() {
	case reflect.Bool:
		return ofType("boolean"), nil
	case reflect.String:
		return ofType("string"), nil
	case reflect.Float32, reflect.Float64:
		return ofType("number"), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return ofInteger(t)
	case reflect.Pointer:
		o, err := d.derive(t.Elem())
		return o.nullable(), err
	case reflect.Slice, reflect.Array:
		return d.ofSequence(t)
	case reflect.Map:
		return d.ofMap(t)
	case reflect.Struct:
		return d.ofStruct(t)
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return nil, nil
		}
	}
	return nil, fmt.Errorf("%v has no form in JSON", t)
}

func ofType(name string) object { return object{{"type", quote(name)}} }

func ofInteger(t reflect.Type) (object, error) {
	if t == reflect.TypeFor[time.Duration]() {
		return nil, errors.New("time.Duration has no form in JSON: use a number or a string")
	}
	o := ofType("integer")
	switch t.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32:
		o.set("minimum", strconv.FormatInt(math.MinInt64>>(64-t.Bits()), 10))
		o.set("maximum", strconv.FormatInt(math.MaxInt64>>(64-t.Bits()), 10))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		o.set("minimum", "0")
		o.set("maximum", strconv.FormatUint(math.MaxUint64>>(64-t.Bits()), 10))
	case reflect.Uint, reflect.Uint64, reflect.Uintptr:
		o.set("minimum", "0")
	}
	return o, nil
}

var (
	jsonMethods   = []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.MarshalerTo](), reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[json.UnmarshalerFrom]()}
	textMarshal   = []reflect.Type{reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextAppender]()}
	textUnmarshal = []reflect.Type{reflect.TypeFor[encoding.TextUnmarshaler]()}
)

// ofMethods is the schema of types that encode themselves.
func ofMethods(t reflect.Type) (object, bool) {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{{"type", `"string"`}, {"format", `"date-time"`}}, true
	case reflect.TypeFor[stdjson.RawMessage](), reflect.TypeFor[jsontext.Value]():
		return nil, true
	}
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return nil, false // the methods of what it points to
	}
	in, out := implements(t, textUnmarshal), implements(t, textMarshal)
	switch {
	case implements(t, jsonMethods), in != out:
		return nil, true
	case in:
		return ofType("string"), true
	}
	return nil, false
}

func implements(t reflect.Type, any []reflect.Type) bool {
	for _, i := range any {
		if t.Implements(i) || reflect.PointerTo(t).Implements(i) {
			return true
		}
	}
	return false
}

func (d *deriver) ofSequence(t reflect.Type) (object, error) {
	if e := t.Elem(); e.Kind() == reflect.Uint8 && !methodical(e) {
		o := object{{"type", `"string"`}, {"contentEncoding", `"base64"`}}
		if t.Kind() == reflect.Array {
			n := strconv.Itoa((t.Len() + 2) / 3 * 4)
			o.set("minLength", n)
			o.set("maxLength", n)
		}
		return o, nil
	}
	items, err := d.derive(t.Elem())
	if err != nil {
		return nil, err
	}
	o := ofType("array")
	if items != nil {
		o.set("items", items.String())
	}
	if t.Kind() == reflect.Array {
		n := strconv.Itoa(t.Len())
		o.set("minItems", n)
		o.set("maxItems", n)
	}
	return o, nil
}

func methodical(t reflect.Type) bool {
	return implements(t, jsonMethods) || implements(t, textMarshal) || implements(t, textUnmarshal)
}

func (d *deriver) ofMap(t reflect.Type) (object, error) {
	o := ofType("object")
	key, err := d.derive(t.Key())
	if err != nil {
		return nil, err
	}
	switch key.get("type") {
	case `"string"`, "":
	case `"integer"`:
		o.set("propertyNames", `{"pattern":"^-?(0|[1-9][0-9]*)$"}`)
	default:
		return nil, fmt.Errorf("%v has keys that are no names in JSON", t)
	}
	elem, err := d.derive(t.Elem())
	if elem != nil {
		o.set("additionalProperties", elem.String())
	}
	return o, err
}
