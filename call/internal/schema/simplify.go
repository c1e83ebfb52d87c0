package schema

// simplify makes n refer to the simplest equivalents of its subschemas.
func (n *node) simplify() {
	kept := n.also[:0]
	for _, sub := range n.also {
		if sub = simple(sub); sub != nil {
			kept = append(kept, sub)
		}
	}
	n.also = kept
	n.alone = n.allowed == nil && len(kept) == 0 && n.choices == nil && n.left == nil
	for _, k := range n.choices {
		for i := range k.nodes {
			k.nodes[i] = simple(k.nodes[i])
		}
	}
	if u := n.left; u != nil {
		u.members, u.items = simple(u.members), simple(u.items)
	}
	if r := n.arrays; r != nil {
		r.items = simple(r.items)
		if r.contains != nil {
			r.contains.node = simple(r.contains.node)
		}
		for i := range r.prefix {
			r.prefix[i] = simple(r.prefix[i])
		}
	}
	if r := n.objects; r != nil {
		r.additional = simple(r.additional)
		r.names = simple(r.names)
		for i := range r.fields {
			r.fields[i].node = simple(r.fields[i].node)
		}
		for i := range r.patterns {
			r.patterns[i].node = simple(r.patterns[i].node)
		}
	}
}

// simple follows schemas that are nothing but a reference, so that their
// values are read once, and gives nil for those that accept everything.
func simple(n *node) *node {
	for n != nil && n.assertsNothing() {
		switch len(n.also) {
		case 0:
			return nil
		case 1:
			n = n.also[0]
		default:
			return n
		}
	}
	return n
}

func (n *node) assertsNothing() bool {
	return n.types == 0 && !n.never && n.allowed == nil && n.numbers == nil && n.strings == nil && n.arrays == nil && n.objects == nil && n.choices == nil
}
