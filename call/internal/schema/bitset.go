package schema

import "math/bits"

type bitset struct {
	few  uint64
	many []uint64 // beyond the first 64
}

func (b *bitset) set(i int) {
	if i < 64 {
		b.few |= 1 << i
		return
	}
	for len(b.many) < i/64 {
		b.many = append(b.many, 0)
	}
	b.many[i/64-1] |= 1 << (i % 64)
}

func (b *bitset) has(i int) bool {
	if i < 64 {
		return b.few&(1<<i) != 0
	}
	return i/64 <= len(b.many) && b.many[i/64-1]&(1<<(i%64)) != 0
}

func (b *bitset) union(other bitset) {
	b.few |= other.few
	for len(b.many) < len(other.many) {
		b.many = append(b.many, 0)
	}
	for i, word := range other.many {
		b.many[i] |= word
	}
}

func (b *bitset) count() int {
	n := bits.OnesCount64(b.few)
	for _, word := range b.many {
		n += bits.OnesCount64(word)
	}
	return n
}
