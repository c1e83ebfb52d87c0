package schema

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

// A validation consumes values. After a syntax error nothing else is asked.
type validation struct {
	sc     *jsontok.Scanner
	syntax error
	name   []byte // unescaped

	reach     int    // the furthest that a value read again ends
	again     int    // bytes that were read more than once
	exhausted *Error // they are too many
}

// maxAgain bounds what schemas that apply several subschemas to one value,
// level by level, can cost: bytes read again for each byte of the value.
const maxAgain = 64

// scan consumes one value. The fault is of its first part that is at fault.
// Without one, the parts that n has evaluated are in done, unless that is nil.
func (v *validation) scan(n *node, done *evaluated) *Error {
	if n == nil {
		v.skip()
		return nil
	}
	kind := v.sc.Kind()
	if n.alone {
		return v.scanOne(n, kind, done)
	}
	start := v.sc.Offset()
	outer := done
	left := n.left != nil && n.left.of(kind)
	if left {
		done = &evaluated{} // what n itself does not see is not for its unevaluated parts
	}
	fault := v.scanOne(n, kind, done)
	end := v.sc.Offset()
	if fault == nil && v.syntax == nil && n.allowed != nil && !v.among(n.allowed, kind, start, end) {
		fault = &Error{Reason: mustBeOneOf(n.allowed)}
	}
	for _, also := range n.also {
		if fault != nil || v.syntax != nil {
			break
		}
		fault = v.rescan(also, start, end, done)
	}
	for i := range n.choices {
		if fault != nil || v.syntax != nil {
			break
		}
		fault = v.choose(&n.choices[i], start, end, done)
	}
	if left && fault == nil && v.syntax == nil {
		fault = v.scanLeft(n.left, kind, start, end, done)
		outer.setAll()
	}
	return fault
}

// rescan validates a value once more, that has been consumed.
func (v *validation) rescan(n *node, start, end int, done *evaluated) *Error {
	if n == nil || !v.rewind(start, end) {
		return v.exhausted
	}
	return v.scan(n, done)
}

// rewind goes back to read a value once more, unless that is too much work.
func (v *validation) rewind(start, end int) bool {
	if v.exhausted != nil {
		return false
	}
	v.reach = max(v.reach, end)
	if v.again += end - start; v.again > maxAgain*(v.reach+4096) {
		v.exhausted = &Error{Reason: "is more work to validate than allowed"}
		return false
	}
	v.sc.Rewind(start)
	return true
}

func (v *validation) skip() {
	if _, err := v.sc.Skip(); err != nil {
		v.syntax = err
	}
}

func (v *validation) scanOne(n *node, kind jsontok.Kind, done *evaluated) *Error {
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
			return v.scanObject(n.objects, done)
		}
	case jsontok.Array:
		if n.arrays != nil {
			return v.scanArray(n.arrays, done)
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
	if i, ok := smallInteger(raw); ok && (n.numbers == nil || n.numbers.small) {
		return n.numbers.checkSmall(i)
	}
	d := parseDecimal(raw)
	if onlyInteger && !d.isInteger() {
		return &Error{Reason: "must be " + n.types.String()}
	}
	return n.numbers.check(d)
}

func (r *numberRules) checkSmall(n int64) *Error {
	if r == nil {
		return nil
	}
	for i := range r.limits {
		if l := &r.limits[i]; !l.accepts[1+cmp.Compare(n, l.small)] {
			return &Error{Reason: l.word}
		}
	}
	return nil
}

func (r *numberRules) check(d decimal) *Error {
	if r == nil {
		return nil
	}
	for i := range r.limits {
		if l := &r.limits[i]; !l.accepts[1+d.compare(l.bound)] {
			return &Error{Reason: l.word}
		}
	}
	if r.divisor != nil && !r.divisor.divides(d) {
		return &Error{Reason: "must be a multiple of " + r.divisor.text}
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

// in puts e into the part of its value named token.
func (e *Error) in(token string) *Error {
	const most = 40
	if len(token) > most {
		token = strings.ToValidUTF8(token[:most-3], "") + "..."
	}
	token = strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1")
	return &Error{Path: "/" + token + e.Path, Reason: e.Reason}
}
