package jsontok

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// fewNames is how many names are compared one by one.
const fewNames = 16

type name struct {
	mark       uint32 // of the unescaped bytes: fingerprint, or hash in a nameSet
	start, end uint32 // of the quoted string in the input
}

// A nameSet finds names of an object that has many: open addressing, seeded
// so that a peer cannot choose names that collide.
type nameSet struct {
	seed  maphash.Seed
	slots []uint32 // index in Scanner.names from the object's base, plus one
}

// remember adds a name to those of m, and reports false if it is among them.
func (s *Scanner) remember(m *Members, t Text, start int) bool {
	raw := t.raw
	if t.escaped {
		s.buf = t.Append(s.buf[:0])
		raw = s.buf
	}
	n := name{start: uint32(start), end: uint32(s.pos)}
	if m.set != nil {
		return s.insert(m, n, raw)
	}
	n.mark = fingerprint(raw)
	seen := s.names[m.base:]
	for i := range seen {
		if seen[i].mark == n.mark && s.same(seen[i], raw) {
			return false
		}
	}
	s.names = append(s.names, n)
	if len(seen) == fewNames {
		m.set = &nameSet{seed: maphash.MakeSeed()}
		s.grow(m)
	}
	return true
}

// fingerprint is cheap and easily collided with, which fewNames bounds.
func fingerprint(b []byte) uint32 {
	n := uint32(len(b))
	switch {
	case n >= 4:
		return binary.LittleEndian.Uint32(b) ^ binary.LittleEndian.Uint32(b[n-4:])*3 ^ n<<24
	case n >= 2:
		return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[n-1])<<16 | n<<24
	case n == 1:
		return uint32(b[0]) | n<<24
	}
	return 0
}

func (s *Scanner) insert(m *Members, n name, raw []byte) bool {
	n.mark = uint32(maphash.Bytes(m.set.seed, raw))
	slots := m.set.slots
	mask := uint32(len(slots) - 1)
	i := n.mark & mask
	for ; slots[i] != 0; i = (i + 1) & mask {
		if old := s.names[m.base+int(slots[i])-1]; old.mark == n.mark && s.same(old, raw) {
			return false
		}
	}
	s.names = append(s.names, n)
	count := len(s.names) - m.base
	slots[i] = uint32(count)
	if count*2 > len(slots) {
		s.resize(m)
	}
	return true
}

// grow turns the few names of m into a set.
func (s *Scanner) grow(m *Members) {
	names := s.names[m.base:]
	var buf []byte
	for i := range names {
		buf = s.at(names[i]).Append(buf[:0])
		names[i].mark = uint32(maphash.Bytes(m.set.seed, buf))
	}
	s.resize(m)
}

func (s *Scanner) resize(m *Members) {
	names := s.names[m.base:]
	m.set.slots = make([]uint32, max(4*fewNames, 2*len(m.set.slots)))
	mask := uint32(len(m.set.slots) - 1)
	for at, n := range names {
		i := n.mark & mask
		for m.set.slots[i] != 0 {
			i = (i + 1) & mask
		}
		m.set.slots[i] = uint32(at + 1)
	}
}

func (s *Scanner) at(n name) Text {
	raw := s.data[n.start+1 : n.end-1]
	return Text{raw: raw, escaped: bytes.IndexByte(raw, '\\') >= 0}
}

func (s *Scanner) same(n name, unescaped []byte) bool {
	t := s.at(n)
	if !t.escaped {
		return bytes.Equal(t.raw, unescaped)
	}
	return t.Is(string(unescaped))
}
