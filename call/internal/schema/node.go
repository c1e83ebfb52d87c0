package schema

import (
	"fmt"
	"math/bits"
	"regexp"
	"slices"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

// A node is a compiled subschema; nil accepts everything.
type node struct {
	types   types // 0 for all
	never   bool  // accepts nothing
	allowed []*value
	numbers *numberRules
	strings *stringRules
	arrays  *arrayRules
	objects *objectRules
	also    []*node // further ones for the same value
	choices []choice
	left    *unevaluated
	alone   bool // there are no values allowed, also, choices and left
}

type numberRules struct {
	limits  []limit
	divisor *divisor
	small   bool // the limits are, and there is no divisor
}

type limit struct {
	bound   decimal
	small   int64 // the bound, if the rules are small
	word    string
	accepts [3]bool // numbers below, at and above the bound
}

type stringRules struct {
	least, most int // code points; -1 for no limit
	pattern     *regexp.Regexp
}

type arrayRules struct {
	least, most int
	prefix      []*node
	items       *node
	rest        bool // items is there
	unique      bool
	contains    *contained
}

type contained struct {
	least, most int
	node        *node
}

type objectRules struct {
	least, most int
	fields      []field
	byName      map[string]int // for many fields
	required    []int
	patterns    []pattern
	closed      bool // no members but those of fields and patterns
	additional  *node
	others      bool // additionalProperties is there
	names       *node
}

type field struct {
	name     string
	declared bool // in properties, not in required only
	node     *node
}

type pattern struct {
	re   *regexp.Regexp
	node *node
}

// manyFields is from where on a map finds a field.
const manyFields = 12

type compiler struct {
	doc    *document
	nodes  map[place]*node
	busy   map[place]bool
	scopes map[scope]*scope
}

// compile gives nil for a schema that accepts everything.
func compile(doc *document) (*node, error) {
	c := &compiler{doc: doc, nodes: map[place]*node{}, scopes: map[scope]*scope{}}
	if err := c.finite(doc.root); err != nil {
		return nil, err
	}
	root, err := c.compile(doc.root, nil)
	if err != nil {
		return nil, err
	}
	for _, n := range c.nodes {
		n.simplify()
	}
	return simple(root), nil
}

func (c *compiler) compile(sub *value, in *scope) (*node, error) {
	v := c.enter(sub, in)
	if n, ok := c.nodes[v]; ok {
		return n, nil
	}
	if err := check(sub); err != nil {
		return nil, err
	}
	n := &node{}
	c.nodes[v] = n
	if isBool(sub) {
		n.never = v.kind == jsontok.False
		return n, nil
	}
	for _, step := range []func(*node, place) error{c.compileAny, c.compileNumbers, c.compileStrings, c.compileArrays, c.compileObjects, c.compileInPlace, c.compileChoices, c.compileUnevaluated} {
		if err := step(n, v); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (c *compiler) compileAny(n *node, v place) error {
	if t := v.get("type"); t != nil {
		names := t.items
		if t.kind == jsontok.String {
			names = []*value{t}
		}
		for _, name := range names {
			bit, ok := typeNames[name.text]
			if !ok {
				return fmt.Errorf("type %s is not a type of JSON", excerpt(name.raw))
			}
			n.types |= bit
		}
	}
	if e := v.get("enum"); e != nil {
		n.allowed = slices.Clip(append([]*value{}, e.items...))
		n.never = len(e.items) == 0
	}
	if k := v.get("const"); k != nil {
		if n.allowed != nil {
			n.also = append(n.also, &node{allowed: n.allowed})
		}
		n.allowed = []*value{k}
	}
	return nil
}

func (c *compiler) compileNumbers(n *node, v place) error {
	r := numberRules{small: true}
	for _, k := range []struct {
		name, word string
		accepts    [3]bool
	}{
		{"minimum", "must be at least", [3]bool{false, true, true}},
		{"maximum", "must be at most", [3]bool{true, true, false}},
		{"exclusiveMinimum", "must be more than", [3]bool{false, false, true}},
		{"exclusiveMaximum", "must be less than", [3]bool{true, false, false}},
	} {
		if b := v.get(k.name); b != nil {
			l := limit{bound: parseDecimal(b.raw), word: k.word + " " + excerpt(b.raw), accepts: k.accepts}
			ok := false
			l.small, ok = smallInteger(b.raw)
			r.small = r.small && ok
			r.limits = append(r.limits, l)
		}
	}
	if m := v.get("multipleOf"); m != nil {
		d, ok := newDivisor(m.raw)
		if !ok {
			return fmt.Errorf("multipleOf %s has more than 18 digits", excerpt(m.raw))
		}
		r.divisor, r.small = d, false
	}
	if r.limits != nil || r.divisor != nil {
		n.numbers = &r
	}
	return nil
}

func (c *compiler) compileStrings(n *node, v place) error {
	r := stringRules{least: countOf(v, "minLength"), most: countOf(v, "maxLength")}
	if p := v.get("pattern"); p != nil {
		re, err := regexp.Compile(p.text)
		if err != nil {
			return fmt.Errorf("pattern %s is not an RE2 expression: %w", excerpt(p.raw), err)
		}
		r.pattern = re
	}
	if r.least >= 0 || r.most >= 0 || r.pattern != nil {
		n.strings = &r
	}
	return nil
}

func (c *compiler) compileArrays(n *node, v place) (err error) {
	r := arrayRules{least: countOf(v, "minItems"), most: countOf(v, "maxItems")}
	if p := v.get("prefixItems"); p != nil {
		for _, item := range p.items {
			sub, err := c.compile(item, v.scope)
			if err != nil {
				return err
			}
			r.prefix = append(r.prefix, sub)
		}
	}
	if items := v.get("items"); items != nil {
		r.rest = true
		if r.items, err = c.compile(items, v.scope); err != nil {
			return err
		}
	}
	if u := v.get("uniqueItems"); u != nil {
		r.unique = u.kind == jsontok.True
	}
	if k := v.get("contains"); k != nil {
		r.contains = &contained{least: max(countOf(v, "minContains"), 0), most: countOf(v, "maxContains")}
		if v.get("minContains") == nil {
			r.contains.least = 1
		}
		if r.contains.node, err = c.compile(k, v.scope); err != nil {
			return err
		}
	}
	if r.least >= 0 || r.most >= 0 || r.prefix != nil || r.items != nil || r.unique || r.contains != nil || v.get("unevaluatedItems") != nil {
		n.arrays = &r
	}
	return nil
}

func (c *compiler) compileObjects(n *node, v place) (err error) {
	r := objectRules{least: countOf(v, "minProperties"), most: countOf(v, "maxProperties")}
	if p := v.get("properties"); p != nil {
		for _, m := range p.members {
			f := field{name: m.name, declared: true}
			if f.node, err = c.compile(m.value, v.scope); err != nil {
				return err
			}
			r.fields = append(r.fields, f)
		}
	}
	if req := v.get("required"); req != nil {
		r.require(req.items)
	}
	if p := v.get("patternProperties"); p != nil {
		for _, m := range p.members {
			f := pattern{}
			if f.re, err = regexp.Compile(m.name); err != nil {
				return fmt.Errorf("patternProperties %.40q is not an RE2 expression: %w", m.name, err)
			}
			if f.node, err = c.compile(m.value, v.scope); err != nil {
				return err
			}
			r.patterns = append(r.patterns, f)
		}
	}
	if a := v.get("additionalProperties"); a != nil {
		r.others, r.closed = true, a.kind == jsontok.False
		if r.additional, err = c.compile(a, v.scope); err != nil {
			return err
		}
	}
	if p := v.get("propertyNames"); p != nil {
		if r.names, err = c.compile(p, v.scope); err != nil {
			return err
		}
	}
	if len(r.fields) >= manyFields {
		r.byName = make(map[string]int, len(r.fields))
		for i := range r.fields {
			r.byName[r.fields[i].name] = i
		}
	}
	if r.least >= 0 || r.most >= 0 || r.fields != nil || r.patterns != nil || r.additional != nil || r.names != nil || v.get("unevaluatedProperties") != nil {
		n.objects = &r
	}
	return nil
}

func (r *objectRules) require(names []*value) {
	at := make(map[string]int, len(r.fields))
	for i := range r.fields {
		at[r.fields[i].name] = i
	}
	for _, name := range names {
		i, ok := at[name.text]
		if !ok {
			i = len(r.fields)
			at[name.text] = i
			r.fields = append(r.fields, field{name: name.text})
		}
		if !slices.Contains(r.required, i) {
			r.required = append(r.required, i)
		}
	}
}

func (c *compiler) compileInPlace(n *node, v place) error {
	var subs []*value
	if all := v.get("allOf"); all != nil {
		subs = append(subs, all.items...)
	}
	for _, keyword := range []string{"$ref", "$dynamicRef"} {
		if ref := v.get(keyword); ref != nil {
			subs = append(subs, c.target(ref, v.scope))
		}
	}
	for _, s := range subs {
		sub, err := c.compile(s, v.scope)
		if err != nil {
			return err
		}
		n.also = append(n.also, sub)
	}
	return nil
}

// countOf is -1 if v has no such keyword.
func countOf(v place, keyword string) int {
	k := v.get(keyword)
	if k == nil {
		return -1
	}
	return parseDecimal(k.raw).count()
}

type types uint8

const (
	typeNull types = 1 << iota
	typeBoolean
	typeInteger
	typeNumber
	typeString
	typeArray
	typeObject
)

var typeNames = map[string]types{"null": typeNull, "boolean": typeBoolean, "integer": typeInteger, "number": typeNumber, "string": typeString, "array": typeArray, "object": typeObject}

var typePhrases = [...]string{"null", "a boolean", "an integer", "a number", "a string", "an array", "an object"}

func (t types) String() string {
	var s string
	for ; t != 0; t &= t - 1 {
		if s != "" {
			s += " or "
		}
		s += typePhrases[bits.TrailingZeros8(uint8(t))]
	}
	return s
}
