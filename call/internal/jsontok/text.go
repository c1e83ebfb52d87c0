package jsontok

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// A Text is a string as the input has it. It is part of the input.
type Text struct {
	raw     []byte // between the quotes, checked
	escaped bool
}

// Is reports whether t, unescaped, is str.
func (t Text) Is(str string) bool {
	if !t.escaped {
		return string(t.raw) == str
	}
	return t.escapedIs(str)
}

// Raw is t as the input has it, without the quotes.
func (t Text) Raw() []byte { return t.raw }

// Escaped reports whether unescaping changes t.
func (t Text) Escaped() bool { return t.escaped }

// Append appends t, unescaped, to dst.
func (t Text) Append(dst []byte) []byte {
	if !t.escaped {
		return append(dst, t.raw...)
	}
	for rest := t.raw; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\\')
		if i < 0 {
			return append(dst, rest...)
		}
		dst = append(dst, rest[:i]...)
		r, n := unescape(rest[i:])
		dst = utf8.AppendRune(dst, r)
		rest = rest[i+n:]
	}
	return dst
}

// String is t unescaped, in memory of its own.
func (t Text) String() string {
	if !t.escaped {
		return string(t.raw)
	}
	return string(t.Append(make([]byte, 0, len(t.raw))))
}

// Runes is how many code points t has, unescaped.
func (t Text) Runes() int {
	if !t.escaped {
		return utf8.RuneCount(t.raw)
	}
	n := 0
	for rest := t.raw; len(rest) > 0; n++ {
		size := 1
		if rest[0] == '\\' {
			_, size = unescape(rest)
		} else if rest[0] >= utf8.RuneSelf {
			_, size = utf8.DecodeRune(rest)
		}
		rest = rest[size:]
	}
	return n
}

func (t Text) escapedIs(str string) bool {
	for rest := t.raw; len(rest) > 0; {
		if rest[0] != '\\' {
			if str == "" || str[0] != rest[0] {
				return false
			}
			rest, str = rest[1:], str[1:]
			continue
		}
		r, n := unescape(rest)
		rest = rest[n:]
		got, size := utf8.DecodeRuneInString(str)
		if size == 0 || got != r || got == utf8.RuneError && size == 1 {
			return false
		}
		str = str[size:]
	}
	return str == ""
}

// unescape decodes the checked escape, or pair of escapes, that b begins with.
func unescape(b []byte) (r rune, size int) {
	switch c := b[1]; c {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r, _ := hex4(b[2:])
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		low, _ := hex4(b[8:])
		return utf16.DecodeRune(r, low), 12
	default:
		return rune(c), 2
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special has the high bit set of each byte of w that is no plain character
// of a string, and perhaps of bytes above the lowest of those.
func special(w uint64) uint64 {
	return (w | (w - ones*0x20) | ((w ^ ones*'"') - ones) | ((w ^ ones*'\\') - ones)) & highs
}

// plain is the offset of the first byte from i on that is no plain character.
func plain(b []byte, i int) int {
	for len(b)-i >= 8 {
		if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
		i += 8
		for len(b)-i >= 32 {
			c := b[i : i+32]
			w0, w1 := binary.LittleEndian.Uint64(c), binary.LittleEndian.Uint64(c[8:])
			w2, w3 := binary.LittleEndian.Uint64(c[16:]), binary.LittleEndian.Uint64(c[24:])
			if special(w0)|special(w1)|special(w2)|special(w3) != 0 {
				break
			}
			i += 32
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] < utf8.RuneSelf && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// text consumes a string that starts at pos.
func (s *Scanner) text() (Text, error) {
	b := s.data
	if s.pos >= len(b) || b[s.pos] != '"' {
		return Text{}, s.unexpected("a string")
	}
	start, escaped := s.pos+1, false
	for i := start; ; {
		i = plain(b, i)
		if i == len(b) {
			return Text{}, s.fail(i, "the input ends inside a string")
		}
		switch c := b[i]; {
		case c == '"':
			s.pos = i + 1
			return Text{raw: b[start:i:i], escaped: escaped}, nil
		case c == '\\':
			escaped = true
			n, reason := checkEscape(b[i:])
			if reason != "" {
				return Text{}, s.fail(i, reason)
			}
			i += n
		case c < ' ':
			return Text{}, s.fail(i, "a control character in a string")
		default:
			n := 1
			for ; i < len(b) && b[i] >= utf8.RuneSelf; i += n {
				if n = wellFormed(b[i:]); n == 0 {
					return Text{}, s.fail(i, "bytes that are not UTF-8")
				}
			}
		}
	}
}

// wellFormed is the length of the code point that b begins with, 0 for none.
func wellFormed(b []byte) int {
	// The two cases without exceptions (RFC 3629, section 4).
	if len(b) >= 2 && b[0]-0xc2 < 0x1e && b[1]&0xc0 == 0x80 {
		return 2
	}
	if len(b) >= 3 && b[0]-0xe1 < 0x0c && b[1]&0xc0 == 0x80 && b[2]&0xc0 == 0x80 {
		return 3
	}
	r, n := utf8.DecodeRune(b)
	if r == utf8.RuneError && n == 1 {
		return 0
	}
	return n
}

func checkEscape(b []byte) (size int, reason string) {
	const short = "the input ends inside a string"
	if len(b) < 2 {
		return 0, short
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, ""
	case 'u':
	default:
		return 0, "an escape that JSON does not know"
	}
	if len(b) < 6 {
		return 0, short
	}
	r, ok := hex4(b[2:])
	if !ok {
		return 0, "an escape without four hexadecimal digits"
	}
	if !utf16.IsSurrogate(r) {
		return 6, ""
	}
	if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
		if low, ok := hex4(b[8:]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
			return 12, ""
		}
	}
	return 0, "an escape that is half a surrogate pair"
}

func hex4(b []byte) (r rune, ok bool) {
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
