package schema

import (
	"fmt"
	"strconv"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

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
		fault = size(hits, r.contains.least, r.contains.most, "matching item")
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
	var seen bitset
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

type bitset struct {
	few  uint64
	many []uint64 // instead, for more than 64
}

func (b *bitset) set(i int) {
	if b.many != nil {
		b.many[i/64] |= 1 << (i % 64)
		return
	}
	b.few |= 1 << i
}

func (b *bitset) has(i int) bool {
	if b.many != nil {
		return b.many[i/64]&(1<<(i%64)) != 0
	}
	return b.few&(1<<i) != 0
}
