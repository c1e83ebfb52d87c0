package schema

import (
	"strconv"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

// unevaluated applies to the parts of a value that no schema which accepts the
// value has applied to before (JSON Schema Core 2020-12, section 11).
type unevaluated struct {
	object, array  bool // there is one for it
	members, items *node
}

func (u *unevaluated) of(kind jsontok.Kind) bool {
	return u.object && kind == jsontok.Object || u.array && kind == jsontok.Array
}

func (c *compiler) compileUnevaluated(n *node, v place) (err error) {
	var u unevaluated
	if sub := v.get("unevaluatedProperties"); sub != nil {
		u.object = true
		if u.members, err = c.compile(sub, v.scope); err != nil {
			return err
		}
	}
	if sub := v.get("unevaluatedItems"); sub != nil {
		u.array = true
		if u.items, err = c.compile(sub, v.scope); err != nil {
			return err
		}
	}
	if u.object || u.array {
		n.left = &u
	}
	return nil
}

// evaluated are the members of an object or the items of an array that
// schemas have applied to, by their places in it. Nothing is kept in nil.
type evaluated struct {
	parts bitset
	all   bool
	total int // how many there are, where a schema has counted
}

func (e *evaluated) add(i int) {
	if e != nil {
		e.parts.set(i)
	}
}

func (e *evaluated) setAll() {
	if e != nil {
		e.all = true
	}
}

func (e *evaluated) counted(total int, all bool) {
	if e != nil {
		e.total = total
		e.all = e.all || all
	}
}

// attempt is rescan where a fault does not spoil done.
func (v *validation) attempt(n *node, start, end int, done *evaluated) *Error {
	if done == nil {
		return v.rescan(n, start, end, nil)
	}
	var more evaluated
	fault := v.rescan(n, start, end, &more)
	if fault == nil {
		done.parts.union(more.parts)
		done.all = done.all || more.all
	}
	return fault
}

// scanLeft reads a value once more for the parts that are not done.
func (v *validation) scanLeft(u *unevaluated, kind jsontok.Kind, start, end int, done *evaluated) *Error {
	n := u.items
	if kind == jsontok.Object {
		n = u.members
	}
	if n == nil || done.all || done.parts.count() == done.total || !v.rewind(start, end) {
		return v.exhausted
	}
	if kind == jsontok.Object {
		return v.scanLeftMembers(n, done)
	}
	return v.scanLeftItems(n, done)
}

func (v *validation) scanLeftMembers(n *node, done *evaluated) (fault *Error) {
	obj, err := v.sc.Object()
	for i := 0; err == nil; i++ {
		name, ok, e := v.sc.Member(&obj)
		if err = e; err != nil || !ok {
			break
		}
		if fault != nil || done.parts.has(i) {
			v.skip()
		} else if fault = v.scan(n, nil); fault != nil {
			if n.never {
				fault.Reason = unknownMember
			}
			fault = fault.in(name.String())
		}
		err = v.syntax
	}
	v.syntax = err
	return fault
}

func (v *validation) scanLeftItems(n *node, done *evaluated) (fault *Error) {
	arr, err := v.sc.Array()
	for i := 0; err == nil; i++ {
		var ok bool
		if ok, err = v.sc.Element(&arr); err != nil || !ok {
			break
		}
		if fault != nil || done.parts.has(i) {
			v.skip()
		} else if fault = v.scan(n, nil); fault != nil {
			fault = fault.in(strconv.Itoa(i))
		}
		err = v.syntax
	}
	v.syntax = err
	return fault
}
