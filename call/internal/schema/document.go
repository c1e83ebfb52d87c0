package schema

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

// maxSubschemas bounds the work that a schema can ask for.
const maxSubschemas = 10_000

// A value is a JSON value of a schema document.
type value struct {
	kind    jsontok.Kind
	raw     []byte
	text    string // of a string
	members []member
	items   []*value
}

type member struct {
	name  string
	value *value
}

func (v *value) get(name string) *value {
	for i := range v.members {
		if v.members[i].name == name {
			return v.members[i].value
		}
	}
	return nil
}

// parse copies what it keeps.
func parse(raw []byte) (*value, error) {
	var sc jsontok.Scanner
	sc.Reset(append([]byte(nil), raw...))
	v, err := parseValue(&sc)
	if err != nil {
		return nil, err
	}
	return v, sc.End()
}

func parseValue(sc *jsontok.Scanner) (v *value, err error) {
	v = &value{kind: sc.Kind()}
	start := sc.Offset()
	switch v.kind {
	case jsontok.Object:
		err = parseObject(sc, v)
	case jsontok.Array:
		err = parseArray(sc, v)
	case jsontok.String:
		var t jsontok.Text
		t, err = sc.Text()
		v.text = t.String()
	default:
		_, err = sc.Skip()
	}
	if err != nil {
		return nil, err
	}
	v.raw = sc.Bytes(start, sc.Offset())
	return v, nil
}

func parseObject(sc *jsontok.Scanner, v *value) error {
	obj, err := sc.Object()
	if err != nil {
		return err
	}
	for {
		name, ok, err := sc.Member(&obj)
		if err != nil || !ok {
			return err
		}
		m := member{name: name.String()}
		if m.value, err = parseValue(sc); err != nil {
			return err
		}
		v.members = append(v.members, m)
	}
}

func parseArray(sc *jsontok.Scanner, v *value) error {
	arr, err := sc.Array()
	if err != nil {
		return err
	}
	for {
		ok, err := sc.Element(&arr)
		if err != nil || !ok {
			return err
		}
		item, err := parseValue(sc)
		if err != nil {
			return err
		}
		v.items = append(v.items, item)
	}
}

// A document resolves references (JSON Schema Core 2020-12, section 8.2).
type document struct {
	root      *value
	bases     map[*value]*url.URL
	resources map[string]*value // by absolute URI without fragment
	anchors   map[string]*value // by absolute URI with fragment
	count     int

	references []reference
	targets    map[*value]*value // of references
	dynamic    dynamics
}

// A reference is a $ref or $dynamicRef.
type reference struct {
	in *value
	member
}

// baseURI stands for the address of a schema that names none.
const baseURI = "json-schema:///"

func index(root *value) (*document, error) {
	d := &document{root: root, bases: map[*value]*url.URL{}, resources: map[string]*value{baseURI: root}, anchors: map[string]*value{}, targets: map[*value]*value{}}
	base, err := url.Parse(baseURI)
	if err != nil {
		return nil, err
	}
	if err := d.visit(root, base); err != nil {
		return nil, err
	}
	for i := 0; i < len(d.references); i++ { // resolving finds more
		r := d.references[i]
		if d.targets[r.value], err = d.resolve(r.in, r.value.text); err != nil {
			return nil, err
		}
	}
	return d, d.indexDynamic()
}

func (d *document) visit(v *value, base *url.URL) error {
	if d.bases[v] != nil {
		return nil
	}
	if d.count++; d.count > maxSubschemas {
		return fmt.Errorf("the schema has more than %d subschemas", maxSubschemas)
	}
	if id := v.get("$id"); id != nil {
		ref, err := url.Parse(id.text)
		if err != nil || id.kind != jsontok.String || ref.Fragment != "" {
			return fmt.Errorf("$id %s is not a URI without a fragment", excerpt(id.raw))
		}
		base = base.ResolveReference(ref)
		d.resources[strings.TrimSuffix(base.String(), "#")] = v
	}
	d.bases[v] = base
	for _, key := range []string{"$anchor", "$dynamicAnchor"} {
		if a := v.get(key); a != nil {
			at := strings.TrimSuffix(base.String(), "#") + "#" + a.text
			if d.anchors[at] != nil {
				return fmt.Errorf("the anchor %s is there twice", excerpt(a.raw))
			}
			d.anchors[at] = v
		}
	}
	for _, m := range v.members {
		if m.name == "$ref" || m.name == "$dynamicRef" {
			d.references = append(d.references, reference{v, m})
		}
	}
	for _, sub := range subschemas(v) {
		if err := d.visit(sub, base); err != nil {
			return err
		}
	}
	return nil
}

// resolve finds what the $ref or $dynamicRef of v refers to.
func (d *document) resolve(v *value, ref string) (*value, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return nil, fmt.Errorf("$ref %.40q is not a URI reference", ref)
	}
	u = d.bases[v].ResolveReference(u)
	fragment := u.Fragment
	u.Fragment, u.RawFragment = "", ""
	resource := d.resources[u.String()]
	if resource == nil {
		return nil, &RemoteError{Ref: ref}
	}
	target := resource
	if fragment != "" && fragment[0] != '/' {
		target = d.anchors[u.String()+"#"+fragment]
	} else if fragment != "" {
		target = d.pointer(resource, fragment)
	}
	if target == nil || target.kind != jsontok.Object && !isBool(target) {
		return nil, fmt.Errorf("$ref %.40q leads to no schema", ref)
	}
	if d.bases[target] == nil {
		return target, d.visit(target, d.bases[resource])
	}
	return target, nil
}

// pointer follows RFC 6901.
func (d *document) pointer(v *value, pointer string) *value {
	for _, token := range strings.Split(pointer[1:], "/") {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		if v.kind == jsontok.Array {
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(v.items) {
				return nil
			}
			v = v.items[i]
			continue
		}
		if v = v.get(token); v == nil {
			return nil
		}
	}
	return v
}

func isBool(v *value) bool { return v.kind == jsontok.True || v.kind == jsontok.False }

// excerpt shows the beginning of what a person wrote.
func excerpt(raw []byte) string {
	const most = 40
	if len(raw) <= most {
		return string(raw)
	}
	return strings.ToValidUTF8(string(raw[:most-3]), "") + "..."
}
