package schema

import (
	"fmt"
	"hash/maphash"
)

// unique reports two equal items of an array that has been checked.
func unique(raw []byte) *Error {
	tree, err := parse(raw)
	if err != nil {
		return &Error{Reason: err.Error()}
	}
	seed := maphash.MakeSeed()
	seen := make(map[uint64][]int, len(tree.items))
	for i, item := range tree.items {
		sum := item.hash(seed)
		for _, j := range seen[sum] {
			if equal(item, tree.items[j]) {
				return &Error{Reason: fmt.Sprintf("must not have equal items, as %d and %d are", j, i)}
			}
		}
		seen[sum] = append(seen[sum], i)
	}
	return nil
}

// hash is the same for equal values, and unpredictable for others.
func (v *value) hash(seed maphash.Seed) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	h.WriteByte(byte(v.kind))
	switch v.kind {
	case '"':
		h.WriteString(v.text)
	case '0':
		d := parseDecimal(v.raw)
		fmt.Fprint(&h, d.sign(), d.exp)
		h.Write(d.head)
		h.Write(d.tail)
	}
	for _, item := range v.items {
		maphash.WriteComparable(&h, item.hash(seed))
	}
	var members uint64 // in any order
	for _, m := range v.members {
		var one maphash.Hash
		one.SetSeed(seed)
		one.WriteString(m.name)
		maphash.WriteComparable(&one, m.value.hash(seed))
		members += one.Sum64()
	}
	maphash.WriteComparable(&h, members)
	return h.Sum64()
}
