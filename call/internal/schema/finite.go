package schema

import "fmt"

// maxPaths bounds how many subschemas can apply to one part of a value.
const maxPaths = 1000

// finite refuses schemas that apply themselves to the same value for ever, as
// {"$ref":"#"} does, or very many times.
func (c *compiler) finite(root *value) error {
	c.busy = map[place]bool{}
	counts := map[place]int{}
	seen := map[place]bool{}
	pending := []place{c.enter(root, nil)}
	for len(pending) > 0 {
		v := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if seen[v] {
			continue
		}
		if seen[v] = true; len(seen) > maxSubschemas {
			return fmt.Errorf("the schema has more than %d subschemas, each $dynamicAnchor that $dynamicRef can mean counted", maxSubschemas)
		}
		if _, err := c.paths(v, counts); err != nil {
			return err
		}
		targets, err := c.applied(v)
		if err != nil {
			return err
		}
		pending = append(pending, targets...)
		for _, sub := range subschemas(v.value) {
			pending = append(pending, c.enter(sub, v.scope))
		}
	}
	return nil
}

// paths counts the subschemas that apply to a value when v does.
func (c *compiler) paths(v place, counts map[place]int) (int, error) {
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
func (c *compiler) applied(v place) ([]place, error) {
	if err := check(v.value); err != nil {
		return nil, err
	}
	var all []*value
	for _, m := range v.members {
		switch k := keywords[m.name]; {
		case m.name == "$ref" || m.name == "$dynamicRef":
			all = append(all, c.target(m.value, v.scope))
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
	places := make([]place, len(all))
	for i, sub := range all {
		places[i] = c.enter(sub, v.scope)
	}
	return places, nil
}
