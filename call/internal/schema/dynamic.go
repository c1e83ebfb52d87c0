package schema

import (
	"fmt"
	"net/url"
	"strings"
)

// maxDynamic bounds what the dynamic scope has to remember.
const maxDynamic = 8

// A scope is the dynamic scope of a schema (JSON Schema Core 2020-12, section
// 7.1): what each name that a $dynamicRef uses means to it, by the number of
// the name. That is settled when the schema is compiled: a schema that applies
// in several scopes becomes a node for each.
type scope [maxDynamic]*value

// A place is a schema in the scope that it applies in; nil is the empty one.
type place struct {
	*value
	scope *scope
}

// dynamics are the $dynamicRefs of a document that depend on the scope.
type dynamics struct {
	names   map[*value]int // the number of the name that a $dynamicRef uses
	anchors map[*url.URL]scope
}

// indexDynamic follows section 8.2.3.2: the scope decides where $dynamicRef
// leads only if it would lead to a $dynamicAnchor without.
func (d *document) indexDynamic() error {
	numbers := map[string]int{}
	for _, r := range d.references {
		_, name, _ := strings.Cut(r.value.text, "#")
		anchor := d.targets[r.value].get("$dynamicAnchor")
		if r.name != "$dynamicRef" || anchor == nil || anchor.text != name {
			continue
		}
		if _, ok := numbers[name]; !ok {
			numbers[name] = len(numbers)
		}
		if d.dynamic.names == nil {
			d.dynamic = dynamics{map[*value]int{}, map[*url.URL]scope{}}
		}
		d.dynamic.names[r.value] = numbers[name]
	}
	if len(numbers) > maxDynamic {
		return fmt.Errorf("$dynamicRef uses more than %d names", maxDynamic)
	}
	if len(numbers) == 0 {
		return nil
	}
	for v, base := range d.bases {
		if anchor := v.get("$dynamicAnchor"); anchor != nil {
			if i, ok := numbers[anchor.text]; ok {
				s := d.dynamic.anchors[base]
				s[i] = v
				d.dynamic.anchors[base] = s
			}
		}
	}
	return nil
}

// enter puts v in the scope of a schema that applies it: names mean what the
// outermost resource that has them says.
func (c *compiler) enter(v *value, in *scope) place {
	anchors, ok := c.doc.dynamic.anchors[c.doc.bases[v]]
	if !ok {
		return place{v, in}
	}
	var s scope
	if in != nil {
		s = *in
	}
	for i, anchor := range anchors {
		if s[i] == nil {
			s[i] = anchor
		}
	}
	if c.scopes[s] == nil {
		c.scopes[s] = &s
	}
	return place{v, c.scopes[s]}
}

// target is what a $ref or $dynamicRef leads to.
func (c *compiler) target(ref *value, in *scope) *value {
	if i, ok := c.doc.dynamic.names[ref]; ok && in != nil && in[i] != nil {
		return in[i]
	}
	return c.doc.targets[ref]
}
