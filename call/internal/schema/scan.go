package schema

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

// A validation consumes values. After a syntax error nothing else is asked.
type validation struct {
	sc     *jsontok.Scanner
	syntax error
	name   []byte // unescaped

	again     int    // bytes that were read more than once
	exhausted *Error // they are too many
}

// maxAgain bounds what schemas that apply several subschemas to one value,
// level by level, can cost: bytes read again for each byte of the value.
const maxAgain = 64

// scan consumes one value. The fault is of its first part that is at fault.
func (v *validation) scan(n *node) *Error {
	if n == nil {
		v.skip()
		return nil
	}
	kind := v.sc.Kind()
	start := v.sc.Offset()
	fault := v.scanOne(n, kind)
	end := v.sc.Offset()
	if fault == nil && v.syntax == nil && n.allowed != nil && !contains(n.allowed, kind, v.sc.Bytes(start, end)) {
		fault = &Error{Reason: mustBeOneOf(n.allowed)}
	}
	for _, also := range n.also {
		if fault != nil || v.syntax != nil {
			break
		}
		fault = v.rescan(also, start, end)
	}
	for i := range n.choices {
		if fault != nil || v.syntax != nil {
			break
		}
		fault = v.choose(&n.choices[i], start, end)
	}
	return fault
}

// rescan validates a value once more, that has been consumed.
func (v *validation) rescan(n *node, start, end int) *Error {
	if n == nil || v.exhausted != nil {
		return v.exhausted
	}
	if v.again += end - start; v.again > maxAgain*(end+4096) {
		v.exhausted = &Error{Reason: "is more work to validate than allowed"}
		return v.exhausted
	}
	v.sc.Rewind(start)
	fault := v.scan(n)
	v.sc.Rewind(end)
	return fault
}

func (v *validation) skip() {
	if _, err := v.sc.Skip(); err != nil {
		v.syntax = err
	}
}

func (v *validation) scanOne(n *node, kind jsontok.Kind) *Error {
	if n.library != nil {
		raw, err := v.sc.Skip()
		if err != nil {
			v.syntax = err
			return nil
		}
		return n.library.validate(raw)
	}
	switch {
	case n.never:
		v.skip()
		return &Error{Reason: "is not allowed here"}
	case n.types != 0 && !n.types.allow(kind):
		v.skip()
		return &Error{Reason: "must be " + n.types.String()}
	}
	switch kind {
	case jsontok.Object:
		if n.objects != nil {
			return v.scanObject(n.objects)
		}
	case jsontok.Array:
		if n.arrays != nil {
			return v.scanArray(n.arrays)
		}
	case jsontok.String:
		if n.strings != nil {
			return v.scanString(n.strings)
		}
	case jsontok.Number:
		return v.scanNumber(n)
	}
	v.skip()
	return nil
}

func (t types) allow(kind jsontok.Kind) bool {
	switch kind {
	case jsontok.Null:
		return t&typeNull != 0
	case jsontok.True, jsontok.False:
		return t&typeBoolean != 0
	case jsontok.Number:
		return t&(typeInteger|typeNumber) != 0
	case jsontok.String:
		return t&typeString != 0
	case jsontok.Array:
		return t&typeArray != 0
	case jsontok.Object:
		return t&typeObject != 0
	}
	return true
}

func (v *validation) scanNumber(n *node) *Error {
	raw, err := v.sc.Number()
	if err != nil {
		v.syntax = err
		return nil
	}
	onlyInteger := n.types&(typeInteger|typeNumber) == typeInteger
	if !onlyInteger && n.numbers == nil {
		return nil
	}
	d := parseDecimal(raw)
	if onlyInteger && !d.isInteger() {
		return &Error{Reason: "must be " + n.types.String()}
	}
	if n.numbers == nil {
		return nil
	}
	for i := range n.numbers.limits {
		if l := &n.numbers.limits[i]; l.bad(d.compare(l.bound)) {
			return &Error{Reason: l.word}
		}
	}
	for i, by := range n.numbers.divisors {
		if !by.divides(d) {
			return &Error{Reason: "must be a multiple of " + n.numbers.text[i]}
		}
	}
	return nil
}

func (v *validation) scanString(r *stringRules) *Error {
	t, err := v.sc.Text()
	if err != nil {
		v.syntax = err
		return nil
	}
	// A code point takes 1 to 12 bytes of the input.
	if n := len(t.Raw()); r.least > 0 && n/12 < r.least || r.most >= 0 && n > r.most {
		switch n = t.Runes(); {
		case n < r.least:
			return &Error{Reason: "must have at least " + plural(r.least, "character")}
		case r.most >= 0 && n > r.most:
			return &Error{Reason: "must have at most " + plural(r.most, "character")}
		}
	}
	if r.pattern == nil {
		return nil
	}
	text := t.Raw()
	if t.Escaped() {
		v.name = t.Append(v.name[:0])
		text = v.name
	}
	if !r.pattern.Match(text) {
		return &Error{Reason: fmt.Sprintf("must match the pattern %.60q", r.pattern)}
	}
	return nil
}

func (v *validation) scanArray(r *arrayRules) (fault *Error) {
	start := v.sc.Offset()
	arr, err := v.sc.Array()
	n, hits := 0, 0
	for ; err == nil; n++ {
		var ok bool
		if ok, err = v.sc.Element(&arr); err != nil || !ok {
			break
		}
		sub := r.items
		if n < len(r.prefix) {
			sub = r.prefix[n]
		}
		if fault != nil {
			v.skip()
		} else if fault = v.scanItem(r, sub, &hits); fault != nil {
			fault = fault.in(strconv.Itoa(n))
		}
		err = v.syntax
	}
	if v.syntax = err; err != nil || fault != nil {
		return fault
	}
	if fault = size(n, r.least, r.most, "item"); fault == nil && r.contains != nil {
		fault = size(hits, r.contains.least, r.contains.most, "item of the kind that the schema asks for")
	}
	if fault == nil && r.unique {
		fault = unique(v.sc.Bytes(start, v.sc.Offset()))
	}
	return fault
}

// scanItem consumes an item, and counts it if it is one of r.contains.
func (v *validation) scanItem(r *arrayRules, sub *node, hits *int) *Error {
	if r.contains == nil {
		return v.scan(sub)
	}
	v.sc.Kind()
	start := v.sc.Offset()
	fault := v.scan(sub)
	if fault == nil && v.syntax == nil && v.rescan(r.contains.node, start, v.sc.Offset()) == nil {
		*hits++
	}
	return fault
}

func (v *validation) scanObject(r *objectRules) (fault *Error) {
	obj, err := v.sc.Object()
	var few uint64
	seen := bitset{few: &few}
	if len(r.fields) > 64 {
		seen.many = make([]uint64, (len(r.fields)+63)/64)
	}
	n := 0
	for next := 0; err == nil; n++ {
		name, ok, e := v.sc.Member(&obj)
		if err = e; err != nil || !ok {
			break
		}
		at := r.find(name, next)
		if at >= 0 {
			seen.set(at)
			next = at + 1
		}
		if fault != nil {
			v.skip()
		} else if fault = v.scanMember(r, at, name); fault != nil {
			fault = fault.in(name.String())
		}
		err = v.syntax
	}
	if v.syntax = err; err != nil || fault != nil {
		return fault
	}
	for _, i := range r.required {
		if !seen.has(i) {
			return &Error{Reason: fmt.Sprintf("lacks the member %.40q", r.fields[i].name)}
		}
	}
	return size(n, r.least, r.most, "member")
}

// scanMember consumes the value of a member for each schema that applies.
func (v *validation) scanMember(r *objectRules, at int, name jsontok.Text) *Error {
	if r.names != nil {
		if fault := v.scanName(r.names, name); fault != nil {
			v.skip()
			return fault
		}
	}
	declared := at >= 0 && r.fields[at].declared
	var sub *node
	if declared {
		sub = r.fields[at].node
	} else if len(r.patterns) == 0 {
		if r.closed {
			v.skip()
			return &Error{Reason: "is a member that is not known"}
		}
		sub = r.additional
	}
	if len(r.patterns) == 0 {
		return v.scan(sub)
	}
	v.sc.Kind()
	start := v.sc.Offset()
	fault := v.scan(sub)
	end := v.sc.Offset()
	matched := declared
	unescaped := name.Append(nil)
	for _, p := range r.patterns {
		if fault != nil || v.syntax != nil {
			return fault
		}
		if p.re.Match(unescaped) {
			matched = true
			fault = v.rescan(p.node, start, end)
		}
	}
	switch {
	case fault != nil || matched || v.syntax != nil:
	case r.closed:
		fault = &Error{Reason: "is a member that is not known"}
	case r.additional != nil:
		fault = v.rescan(r.additional, start, end)
	}
	return fault
}

func (v *validation) scanName(n *node, name jsontok.Text) *Error {
	raw := append(append([]byte{'"'}, name.Raw()...), '"')
	var sc jsontok.Scanner
	sc.Reset(raw)
	fault := (&validation{sc: &sc}).scan(n)
	if fault != nil {
		fault.Reason = "is a member whose name " + fault.Reason
	}
	return fault
}

// find expects the field that follows the one found before.
func (r *objectRules) find(name jsontok.Text, next int) int {
	if next < len(r.fields) && name.Is(r.fields[next].name) {
		return next
	}
	if r.byName != nil {
		if i, ok := r.byName[string(name.Raw())]; ok && !name.Escaped() {
			return i
		} else if !name.Escaped() {
			return -1
		}
		if i, ok := r.byName[name.String()]; ok {
			return i
		}
		return -1
	}
	for i := range r.fields {
		if name.Is(r.fields[i].name) {
			return i
		}
	}
	return -1
}

func size(n, least, most int, thing string) *Error {
	switch {
	case n < least:
		return &Error{Reason: "must have at least " + plural(least, thing)}
	case most >= 0 && n > most:
		return &Error{Reason: "must have at most " + plural(most, thing)}
	}
	return nil
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// in puts e into the part of its value named token.
func (e *Error) in(token string) *Error {
	const most = 40
	if len(token) > most {
		token = strings.ToValidUTF8(token[:most-3], "") + "..."
	}
	token = strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1")
	return &Error{Path: "/" + token + e.Path, Reason: e.Reason}
}

type bitset struct {
	few  *uint64
	many []uint64
}

func (b *bitset) set(i int) {
	if b.many != nil {
		b.many[i/64] |= 1 << (i % 64)
		return
	}
	*b.few |= 1 << i
}

func (b *bitset) has(i int) bool {
	if b.many != nil {
		return b.many[i/64]&(1<<(i%64)) != 0
	}
	return *b.few&(1<<i) != 0
}
