package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

// A library validates decoded values with jsonschema-go.
type library struct {
	resolved *jsonschema.Resolved
	depth    int
}

// newLibrary hands the document over without keywords that this package does
// not know, for the library folds the case of names. most is how many
// subschemas apply to one part of a value: the library visits every one of
// them at every level, so that the depth of values must be bounded.
func newLibrary(root *value, most int) (*library, error) {
	var out bytes.Buffer
	write(&out, root)
	var s jsonschema.Schema
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		return nil, err
	}
	resolved, err := s.Resolve(&jsonschema.ResolveOptions{BaseURI: baseURI})
	if err != nil {
		return nil, err
	}
	depth := jsontok.MaxDepth
	if most > 1 {
		depth = min(depth, int(maxVisits/math.Log2(float64(most))))
	}
	return &library{resolved: resolved, depth: depth}, nil
}

// maxVisits is the binary logarithm of how often one part of a value may be
// visited.
const maxVisits = 20

func (l *library) validate(raw []byte) *Error {
	var sc jsontok.Scanner
	sc.Reset(raw)
	instance, err := l.decode(&sc, 0)
	if err != nil {
		return &Error{Reason: err.Error()}
	}
	// What the library says repeats the value at any length.
	if l.resolved.Validate(instance) != nil {
		return &Error{Reason: "does not match its schema"}
	}
	return nil
}

func write(out *bytes.Buffer, v *value) {
	if v.kind != jsontok.Object {
		out.Write(v.raw)
		return
	}
	separator := byte('{')
	for _, m := range v.members {
		k, known := keywords[m.name]
		if !known {
			continue
		}
		out.WriteByte(separator)
		separator = ','
		fmt.Fprintf(out, "%q:", m.name)
		switch k.shape {
		case plain:
			out.Write(plainKeyword(m))
		case single:
			write(out, m.value)
		case list:
			inner := byte('[')
			for _, item := range m.value.items {
				out.WriteByte(inner)
				inner = ','
				write(out, item)
			}
			out.WriteByte(']')
		case table:
			writeTable(out, m.value)
		}
	}
	if separator == '{' {
		out.WriteByte('{')
	}
	out.WriteByte('}')
}

func writeTable(out *bytes.Buffer, v *value) {
	separator := byte('{')
	for _, m := range v.members {
		out.WriteByte(separator)
		separator = ','
		name, err := json.Marshal(m.name)
		if err != nil {
			panic(err) // a string that was JSON before
		}
		out.Write(name)
		out.WriteByte(':')
		write(out, m.value)
	}
	if separator == '{' {
		out.WriteByte('{')
	}
	out.WriteByte('}')
}

// plainKeyword gives counts in the one form and range that the library reads.
func plainKeyword(m member) []byte {
	switch m.name {
	case "minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains", "minProperties", "maxProperties":
		return strconv.AppendInt(nil, int64(parseDecimal(m.value.raw).count()), 10)
	}
	return m.value.raw
}

func fragment(ref string) string {
	_, f, _ := strings.Cut(ref, "#")
	return f
}

// decode gives what the library takes: integers of up to 64 bits exactly,
// other numbers as the nearest finite float64.
func (l *library) decode(sc *jsontok.Scanner, depth int) (any, error) {
	if depth > l.depth {
		return nil, fmt.Errorf("is nested more than %d deep, which its schema does not allow", l.depth)
	}
	switch sc.Kind() {
	case jsontok.Object:
		return l.decodeObject(sc, depth+1)
	case jsontok.Array:
		return l.decodeArray(sc, depth+1)
	case jsontok.String:
		t, err := sc.Text()
		return t.String(), err
	case jsontok.Number:
		raw, err := sc.Number()
		if err != nil {
			return nil, err
		}
		return decodeNumber(raw), nil
	}
	kind := sc.Kind()
	_, err := sc.Skip()
	switch kind {
	case jsontok.True:
		return true, err
	case jsontok.False:
		return false, err
	}
	return nil, err
}

func (l *library) decodeObject(sc *jsontok.Scanner, depth int) (any, error) {
	obj, err := sc.Object()
	all := map[string]any{}
	for err == nil {
		name, ok, e := sc.Member(&obj)
		if e != nil || !ok {
			return all, e
		}
		all[name.String()], err = l.decode(sc, depth)
	}
	return nil, err
}

func (l *library) decodeArray(sc *jsontok.Scanner, depth int) (any, error) {
	arr, err := sc.Array()
	all := []any{}
	for err == nil {
		ok, e := sc.Element(&arr)
		if e != nil || !ok {
			return all, e
		}
		var item any
		item, err = l.decode(sc, depth)
		all = append(all, item)
	}
	return nil, err
}

func decodeNumber(raw []byte) any {
	text := string(raw)
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(text, 10, 64); err == nil {
		return u
	}
	f, _ := strconv.ParseFloat(text, 64)
	switch d := parseDecimal(raw); {
	case math.IsInf(f, 0):
		f = math.Copysign(math.MaxFloat64, f)
	case f == 0 && d.sign() != 0:
		f = math.Copysign(math.SmallestNonzeroFloat64, float64(d.sign()))
	}
	return f
}
