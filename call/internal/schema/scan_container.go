package schema

import (
	"fmt"
	"strconv"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

func (v *validation) scanArray(r *arrayRules, done *evaluated) (fault *Error) {
	start := v.sc.Offset()
	arr, err := v.sc.Array()
	n, hits := 0, 0
	for ; err == nil; n++ {
		var ok bool
		if ok, err = v.sc.Element(&arr); err != nil || !ok {
			break
		}
		if fault != nil {
			v.skip()
		} else if fault = v.scanItem(r, n, &hits, done); fault != nil {
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
	done.counted(n, r.rest)
	return fault
}

// scanItem consumes item n, and counts it if it is one of r.contains.
func (v *validation) scanItem(r *arrayRules, n int, hits *int, done *evaluated) *Error {
	sub := r.items
	if n < len(r.prefix) {
		sub = r.prefix[n]
		done.add(n)
	}
	if r.contains == nil {
		return v.scan(sub, nil)
	}
	v.sc.Kind()
	start := v.sc.Offset()
	fault := v.scan(sub, nil)
	if fault == nil && v.syntax == nil && v.rescan(r.contains.node, start, v.sc.Offset(), nil) == nil {
		*hits++
		done.add(n)
	}
	return fault
}

func (v *validation) scanObject(r *objectRules, done *evaluated) (fault *Error) {
	obj, err := v.sc.Object()
	var seen bitset
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
		} else {
			matched := false
			if matched, fault = v.scanMember(r, at, name); fault != nil {
				fault = fault.in(name.String())
			} else if matched {
				done.add(n)
			}
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
	done.counted(n, r.others)
	return size(n, r.least, r.most, "member")
}

const unknownMember = "is a member that is not known"

// scanMember consumes the value of a member for each schema that applies. It
// has matched if properties or patternProperties have its name.
func (v *validation) scanMember(r *objectRules, at int, name jsontok.Text) (matched bool, fault *Error) {
	if r.names != nil {
		if fault := v.scanName(r.names, name); fault != nil {
			v.skip()
			return false, fault
		}
	}
	matched = at >= 0 && r.fields[at].declared
	var sub *node
	if matched {
		sub = r.fields[at].node
	} else if len(r.patterns) == 0 {
		if r.closed {
			v.skip()
			return false, &Error{Reason: unknownMember}
		}
		sub = r.additional
	}
	if len(r.patterns) == 0 {
		return matched, v.scan(sub, nil)
	}
	v.sc.Kind()
	start := v.sc.Offset()
	fault = v.scan(sub, nil)
	end := v.sc.Offset()
	unescaped := name.Append(nil)
	for _, p := range r.patterns {
		if fault != nil || v.syntax != nil {
			return matched, fault
		}
		if p.re.Match(unescaped) {
			matched = true
			fault = v.rescan(p.node, start, end, nil)
		}
	}
	switch {
	case fault != nil || matched || v.syntax != nil:
	case r.closed:
		fault = &Error{Reason: unknownMember}
	case r.additional != nil:
		fault = v.rescan(r.additional, start, end, nil)
	}
	return matched, fault
}

func (v *validation) scanName(n *node, name jsontok.Text) *Error {
	raw := append(append([]byte{'"'}, name.Raw()...), '"')
	var sc jsontok.Scanner
	sc.Reset(raw)
	fault := (&validation{sc: &sc}).scan(n, nil)
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
