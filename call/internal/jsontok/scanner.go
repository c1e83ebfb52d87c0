package jsontok

import (
	"fmt"
	"sync"
)

// MaxDepth is how many objects and arrays may be open at once.
const MaxDepth = 128

// maxLen keeps offsets in 31 bits.
const maxLen = 1<<31 - 1

// keep is how many elements of scratch memory outlive an input.
const keep = 4096

// A Kind says what value comes next. Its value is the first byte of such a
// value, '0' for every number.
type Kind byte

// The kinds. Invalid stands for everything that starts no value, the end of
// the input included.
const (
	Invalid Kind = 0
	Null    Kind = 'n'
	False   Kind = 'f'
	True    Kind = 't'
	String  Kind = '"'
	Number  Kind = '0'
	Object  Kind = '{'
	Array   Kind = '['
)

// A SyntaxError says why the input is not JSON as this package wants it.
type SyntaxError struct {
	Offset int // of the byte at fault
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Reason)
}

// A Scanner reads the values of one input in order. The zero value has an
// empty input. After an error the input must not be read on. A Scanner is for
// one goroutine at a time; it refers to its input until the next Reset, and
// must not be copied. One that is used again allocates nothing on the usual
// path.
type Scanner struct {
	data  []byte
	pos   int
	depth int
	names []name // of all open objects, innermost last
	buf   []byte // unescaped name
}

// Reset makes s read b from its start.
func (s *Scanner) Reset(b []byte) {
	s.data, s.pos, s.depth = b, 0, 0
	if s.names = s.names[:0]; cap(s.names) > keep {
		s.names = nil
	}
	if cap(s.buf) > keep {
		s.buf = nil
	}
}

// Nest counts n containers around the input towards [MaxDepth].
func (s *Scanner) Nest(n int) { s.depth += n }

// Offset is how many bytes have been consumed.
func (s *Scanner) Offset() int { return s.pos }

// Bytes is the input from one offset to another.
func (s *Scanner) Bytes(from, to int) []byte { return s.data[from:to:to] }

// Rewind goes back to the offset of a value that has been consumed, in the
// container that is open now, to read it once more.
func (s *Scanner) Rewind(offset int) { s.pos = offset }

// Kind looks at the next value without consuming it.
func (s *Scanner) Kind() Kind {
	s.space()
	if s.pos >= len(s.data) {
		return Invalid
	}
	switch c := s.data[s.pos]; c {
	case 'n', 'f', 't', '"', '{', '[':
		return Kind(c)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return Number
	}
	return Invalid
}

// End reports an error unless nothing but white space is left.
func (s *Scanner) End() error {
	if s.space(); s.pos < len(s.data) {
		return s.fail(s.pos, "bytes after the value")
	}
	return nil
}

// Skip consumes one value of any kind, checked throughout, and returns its
// bytes, which are part of the input.
func (s *Scanner) Skip() (raw []byte, err error) {
	s.space()
	start := s.pos
	if err := s.skip(); err != nil {
		return nil, err
	}
	return s.data[start:s.pos:s.pos], nil
}

func (s *Scanner) skip() error {
	if s.space(); s.pos >= len(s.data) {
		return s.unexpected("a value")
	}
	switch c := s.data[s.pos]; c {
	case '"':
		_, err := s.text()
		return err
	case '{':
		return s.skipObject()
	case '[':
		return s.skipArray()
	case 'n':
		return s.literal("null")
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	default:
		if c == '-' || c-'0' <= 9 {
			return s.number()
		}
	}
	return s.unexpected("a value")
}

func (s *Scanner) skipObject() error {
	obj, err := s.Object()
	if err != nil {
		return err
	}
	for {
		if _, ok, err := s.Member(&obj); err != nil || !ok {
			return err
		}
		if err := s.skip(); err != nil {
			return err
		}
	}
}

func (s *Scanner) skipArray() error {
	arr, err := s.Array()
	if err != nil {
		return err
	}
	for {
		if ok, err := s.Element(&arr); err != nil || !ok {
			return err
		}
		if err := s.skip(); err != nil {
			return err
		}
	}
}

// Number consumes a number and returns its bytes. It is an error if something
// else comes next.
func (s *Scanner) Number() (raw []byte, err error) {
	s.space()
	start := s.pos
	if err := s.number(); err != nil {
		return nil, err
	}
	return s.data[start:s.pos:s.pos], nil
}

// Text consumes a string. It is an error if something else comes next.
func (s *Scanner) Text() (Text, error) {
	s.space()
	return s.text()
}

var scanners = sync.Pool{New: func() any { return new(Scanner) }}

// Valid reports why b is not exactly one value with optional white space
// around it; the error is a *SyntaxError.
func Valid(b []byte) error { return ValidNested(b, 0) }

// ValidNested is [Valid] for a value that will stand inside of n containers.
func ValidNested(b []byte, n int) error {
	s := scanners.Get().(*Scanner)
	defer scanners.Put(s)
	defer s.Reset(nil)
	s.Reset(b)
	s.Nest(n)
	if err := s.skip(); err != nil {
		return err
	}
	return s.End()
}

func (s *Scanner) space() {
	if s.pos < len(s.data) && s.data[s.pos] <= ' ' {
		s.manySpaces()
	}
}

func (s *Scanner) manySpaces() {
	i := s.pos
	for i < len(s.data) && (s.data[i] == ' ' || s.data[i] == '\n' || s.data[i] == '\t' || s.data[i] == '\r') {
		i++
	}
	s.pos = i
}

func (s *Scanner) literal(want string) error {
	end := s.pos + len(want)
	if end <= len(s.data) && string(s.data[s.pos:end]) == want {
		s.pos = end
		return nil
	}
	for i := 0; i < len(want); i++ {
		if s.pos+i == len(s.data) {
			return s.fail(len(s.data), "the input ends inside a value")
		}
		if s.data[s.pos+i] != want[i] {
			return s.fail(s.pos+i, "a value that is neither null, true nor false")
		}
	}
	return nil
}

// number follows RFC 8259 section 6.
func (s *Scanner) number() error {
	i, b := s.pos, s.data
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && '1' <= b[i] && b[i] <= '9':
		i = digits(b, i)
	default:
		return s.notNumber(i)
	}
	if i < len(b) && b[i] == '.' {
		start := i + 1
		if i = digits(b, start); i == start {
			return s.notNumber(i)
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		start := i
		if i = digits(b, start); i == start {
			return s.notNumber(i)
		}
	}
	s.pos = i
	return nil
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

func (s *Scanner) notNumber(at int) error {
	if at == s.pos {
		return s.unexpected("a number")
	}
	if at >= len(s.data) {
		return s.fail(at, "the input ends inside a number")
	}
	return s.fail(at, "a number without a digit where one must be")
}

func (s *Scanner) unexpected(want string) error {
	if s.pos >= len(s.data) {
		return s.fail(s.pos, "the input ends where "+want+" must be")
	}
	if s.pos == 0 && len(s.data) >= 3 && string(s.data[:3]) == "\xef\xbb\xbf" {
		return s.fail(0, "a byte order mark")
	}
	return s.fail(s.pos, fmt.Sprintf("%q where %s must be", s.data[s.pos:s.pos+1], want))
}

func (s *Scanner) fail(at int, reason string) error {
	return &SyntaxError{Offset: at, Reason: reason}
}
