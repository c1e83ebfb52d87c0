package schema

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A goField is a field of a struct or of one embedded in it.
type goField struct {
	reflect.StructField
	index    []int
	name     string
	tagged   bool
	optional bool
	omits    bool
	quoted   bool // a number in a string
}

func (d *deriver) ofStruct(t reflect.Type) (object, error) {
	// The encoder has the last word on tags.
	_, err := json.Marshal(reflect.New(t).Interface())
	var semantic *json.SemanticError
	if errors.As(err, &semantic) && semantic.GoType == t {
		return nil, err
	}
	fields, rest, err := d.fieldsOf(t)
	if err != nil {
		return nil, err
	}
	var properties object
	var required []string
	for _, f := range fields {
		o, err := d.ofField(t, f)
		if err != nil {
			return nil, err
		}
		properties.set(f.name, o.String())
		if !f.optional {
			required = append(required, quote(f.name))
		}
	}
	o := ofType("object")
	if len(properties) > 0 {
		o.set("properties", properties.String())
	}
	if len(required) > 0 {
		o.set("required", "["+strings.Join(required, ",")+"]")
	}
	if rest == "" {
		rest = "false"
	}
	o.set("additionalProperties", rest)
	return o, nil
}

// reserved are tags that other versions of such tags give a meaning.
var reserved = regexp.MustCompile(`^[^ \t\n]*=`)

func (d *deriver) ofField(t reflect.Type, f goField) (object, error) {
	typ := f.Type
	if f.omits && typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	o, err := d.derive(typ)
	if err != nil {
		return nil, fmt.Errorf("field %s of %v: %w", f.Name, t, err)
	}
	if f.quoted {
		o = ofType("string")
		if typ.Kind() == reflect.Pointer {
			o = o.nullable()
		}
	}
	description, ok := f.Tag.Lookup("jsonschema")
	if ok && (description == "" || reserved.MatchString(description)) {
		return nil, fmt.Errorf("field %s of %v: the jsonschema tag must be a description", f.Name, t)
	}
	if ok {
		o = slices.Clip(o)
		o.set("description", quote(description))
	}
	return o, nil
}

// fieldsOf lists what the encoder writes, in its order: of fields of one name
// the one on the outermost level counts, then the only one with a tag. rest is
// the schema of other members, if a field collects them.
func (d *deriver) fieldsOf(t reflect.Type) (fields []goField, rest string, err error) {
	type level struct {
		typ      reflect.Type
		index    []int
		optional bool
	}
	byName := map[string][]goField{}
	seen := map[reflect.Type]bool{}
	for queue := []level{{typ: t}}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if seen[at.typ] {
			continue
		}
		seen[at.typ] = true
		for i := range at.typ.NumField() {
			f := parseField(at.typ.Field(i), append(slices.Clone(at.index), i), at.optional)
			if f.name == "" {
				continue
			}
			_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			embedded, pointer := f.Type, false
			if embedded.Kind() == reflect.Pointer && embedded.Name() == "" {
				embedded, pointer = embedded.Elem(), true
			}
			switch embeds := f.Anonymous && !f.tagged || slices.Contains(strings.Split(options, ","), "embed"); {
			case !embeds:
				byName[f.name] = append(byName[f.name], f)
			case embedded.Kind() == reflect.Struct:
				queue = append(queue, level{embedded, f.index, at.optional || pointer})
			case rest == "":
				if rest, err = d.ofRest(embedded); err != nil {
					return nil, "", err
				}
			}
		}
	}
	for _, same := range byName {
		slices.SortStableFunc(same, func(a, b goField) int {
			if n := len(a.index) - len(b.index); n != 0 || a.tagged == b.tagged {
				return n
			} else if a.tagged {
				return -1
			}
			return 1
		})
		if len(same) == 1 || len(same[0].index) != len(same[1].index) || same[0].tagged != same[1].tagged {
			fields = append(fields, same[0])
		}
	}
	slices.SortFunc(fields, func(a, b goField) int { return slices.Compare(a.index, b.index) })
	return fields, rest, nil
}

// ofRest is the schema of the members that an embedded map or value takes.
func (d *deriver) ofRest(t reflect.Type) (string, error) {
	if t == reflect.TypeFor[jsontext.Value]() || t.Kind() != reflect.Map {
		return "true", nil
	}
	o, err := d.derive(t.Elem())
	return o.String(), err
}

// parseField has no name for a field that is left out.
func parseField(sf reflect.StructField, index []int, optional bool) goField {
	tag := sf.Tag.Get("json")
	if tag == "-" || !sf.IsExported() && !sf.Anonymous {
		return goField{}
	}
	f := goField{StructField: sf, index: index, name: sf.Name, optional: optional}
	name, options, _ := strings.Cut(tag, ",")
	if name != "" {
		f.name, f.tagged = name, true
	}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "omitempty", "omitzero":
			f.optional, f.omits = true, true
		case "string":
			f.quoted = true
		}
	}
	return f
}
