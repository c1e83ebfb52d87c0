package nat

import "encoding/binary"

// sum is the one's complement sum (RFC 1071) of b, which begins at an even
// offset. The last of an odd number of bytes is left out: nothing here changes
// it.
func sum(b []byte) uint32 {
	var s uint32
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	return fold(s)
}

func fold(s uint32) uint32 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return s
}

// adjust changes the checksum at field as RFC 1624 §3 equation 3 says, where
// before and after are folded sums of the bytes that changed.
func adjust(field []byte, before, after uint32) {
	old := binary.BigEndian.Uint16(field)
	binary.BigEndian.PutUint16(field, ^uint16(fold(uint32(^old)+^before&0xffff+after)))
}
