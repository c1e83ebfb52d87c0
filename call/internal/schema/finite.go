package schema

import "fmt"

// maxPaths bounds how many subschemas can apply to one part of a value.
const maxPaths = 1000

// finite refuses schemas that apply themselves to the same value for ever, as
// {"$ref":"#"} does, or very many times.
func (c *compiler) finite(root *value) error {
	c.busy = map[*value]bool{}
	counts := map[*value]int{}
	seen := map[*value]bool{}
	pending := []*value{root}
	for len(pending) > 0 {
		v := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if seen[v] {
			continue
		}
		seen[v] = true
		n, err := c.paths(v, counts)
		if err != nil {
			return err
		}
		c.most = max(c.most, n)
		targets, err := c.applied(v)
		if err != nil {
			return err
		}
		pending = append(append(pending, subschemas(v)...), targets...)
	}
	return nil
}

// paths counts the subschemas that apply to a value when v does.
func (c *compiler) paths(v *value, counts map[*value]int) (int, error) {
	if n, ok := counts[v]; ok {
		return n, nil
	}
	if c.busy[v] {
		return 0, fmt.Errorf("a schema refers to itself for the same value, without end: %s", excerpt(v.raw))
	}
	c.busy[v] = true
	defer delete(c.busy, v)
	targets, err := c.applied(v)
	if err != nil {
		return 0, err
	}
	n := 1
	for _, t := range targets {
		m, err := c.paths(t, counts)
		if err != nil {
			return 0, err
		}
		if n += m; n > maxPaths {
			return 0, fmt.Errorf("more than %d subschemas apply to one value: %s", maxPaths, excerpt(v.raw))
		}
	}
	counts[v] = n
	return n, nil
}

// applied are the schemas that v applies to its own value.
func (c *compiler) applied(v *value) ([]*value, error) {
	if err := check(v); err != nil {
		return nil, err
	}
	var all []*value
	for _, m := range v.members {
		k := keywords[m.name]
		c.needsLibrary = c.needsLibrary || k.library
		switch {
		case m.name == "$ref" || m.name == "$dynamicRef":
			target, err := c.doc.resolve(v, m.value.text)
			if err != nil {
				return nil, err
			}
			all = append(all, target)
			if m.name == "$dynamicRef" {
				all = append(all, c.doc.dynamic[fragment(m.value.text)]...)
			}
		case !k.inPlace:
		case k.shape == single:
			all = append(all, m.value)
		case k.shape == list:
			all = append(all, m.value.items...)
		case k.shape == table:
			for _, sub := range m.value.members {
				all = append(all, sub.value)
			}
		}
	}
	return all, nil
}
