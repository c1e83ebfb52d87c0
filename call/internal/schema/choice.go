package schema

import (
	"fmt"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

// A choice depends on which of its nodes accept the value.
type choice struct {
	rule  rule
	nodes []*node
}

type rule int

const (
	anyOf rule = iota
	oneOf
	not
	conditional // if, then, else
)

func (c *compiler) compileChoices(n *node, v place) error {
	for _, k := range []struct {
		name string
		rule rule
	}{{"anyOf", anyOf}, {"oneOf", oneOf}} {
		if list := v.get(k.name); list != nil {
			if err := c.choose(n, k.rule, v.scope, list.items...); err != nil {
				return err
			}
		}
	}
	if k := v.get("not"); k != nil {
		if err := c.choose(n, not, v.scope, k); err != nil {
			return err
		}
	}
	if k := v.get("if"); k != nil {
		if err := c.choose(n, conditional, v.scope, k, v.get("then"), v.get("else")); err != nil {
			return err
		}
	}
	return c.compileDependent(n, v)
}

func (c *compiler) choose(n *node, r rule, in *scope, values ...*value) error {
	k := choice{rule: r}
	for _, v := range values {
		var sub *node
		if v != nil {
			var err error
			if sub, err = c.compile(v, in); err != nil {
				return err
			}
		}
		k.nodes = append(k.nodes, sub)
	}
	n.choices = append(n.choices, k)
	return nil
}

// compileDependent makes conditions of members that others depend on.
func (c *compiler) compileDependent(n *node, v place) error {
	if d := v.get("dependentRequired"); d != nil {
		for _, m := range d.members {
			then := &node{objects: requiring(m.value.items...)}
			n.choices = append(n.choices, choice{conditional, []*node{having(m.name), then, nil}})
		}
	}
	if d := v.get("dependentSchemas"); d != nil {
		for _, m := range d.members {
			then, err := c.compile(m.value, v.scope)
			if err != nil {
				return err
			}
			n.choices = append(n.choices, choice{conditional, []*node{having(m.name), then, nil}})
		}
	}
	return nil
}

// having accepts the objects that have a member of the name.
func having(name string) *node {
	return &node{types: typeObject, objects: requiring(&value{kind: jsontok.String, text: name})}
}

func requiring(names ...*value) *objectRules {
	r := &objectRules{least: -1, most: -1}
	r.require(names)
	return r
}

func (v *validation) choose(k *choice, start, end int, done *evaluated) *Error {
	switch k.rule {
	case not:
		if v.rescan(k.nodes[0], start, end, nil) == nil {
			return &Error{Reason: "is a value that the schema excludes"}
		}
		return nil
	case conditional:
		if v.attempt(k.nodes[0], start, end, done) == nil {
			return v.rescan(k.nodes[1], start, end, done)
		}
		return v.rescan(k.nodes[2], start, end, done)
	}
	hits := 0
	var closest *Error
	for _, n := range k.nodes {
		fault := v.attempt(n, start, end, done)
		if fault == nil {
			if hits++; k.rule == anyOf && done == nil {
				return nil
			}
		} else if closest == nil || len(fault.Path) > len(closest.Path) {
			closest = fault
		}
	}
	switch {
	case hits == 1, hits > 1 && k.rule == anyOf:
		return nil
	case hits > 1:
		return &Error{Reason: fmt.Sprintf("must match one, not %d, of %d alternatives", hits, len(k.nodes))}
	case len(k.nodes) == 1:
		return closest
	}
	return &Error{Path: closest.Path, Reason: fmt.Sprintf("%s (or match another of %d alternatives)", closest.Reason, len(k.nodes))}
}
