package schema

import (
	"bytes"
	"cmp"
	"math/bits"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

// A decimal is a JSON number exactly: 0.d1d2d3… × 10^exp with neither leading
// nor trailing zeros among the digits. Zero has none. Exponents saturate at
// ±maxExp, so that comparing takes time in the length of the text only.
type decimal struct {
	negative bool
	head     []byte // digits before the point
	tail     []byte // digits after it
	exp      int64
}

const maxExp = 1 << 50

// smallInteger is the value of a plain integer of up to 18 digits.
func smallInteger(raw []byte) (n int64, ok bool) {
	digits := raw
	if raw[0] == '-' {
		digits = raw[1:]
	}
	if len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) < len(raw) {
		n = -n
	}
	return n, true
}

// parseDecimal takes a number that the scanner has checked, and refers to it.
func parseDecimal(raw []byte) decimal {
	var d decimal
	if raw[0] == '-' {
		d.negative, raw = true, raw[1:]
	}
	if i := bytes.IndexAny(raw, "eE"); i >= 0 {
		d.exp = exponent(raw[i+1:])
		raw = raw[:i]
	}
	head, tail, _ := bytes.Cut(raw, []byte("."))
	head = trimLeft(head)
	tail = trimRight(tail)
	d.exp += int64(len(head))
	if len(tail) == 0 {
		head = trimRight(head)
	}
	if len(head) == 0 {
		n := len(tail)
		tail = trimLeft(tail)
		d.exp -= int64(n - len(tail))
	}
	d.head, d.tail = head, tail
	if len(head)+len(tail) == 0 {
		return decimal{}
	}
	return d
}

func exponent(raw []byte) int64 {
	negative := raw[0] == '-'
	raw = trimLeft(bytes.TrimLeft(raw, "+-"))
	n := int64(maxExp)
	if len(raw) <= 15 {
		n = 0
		for _, c := range raw {
			n = n*10 + int64(c-'0')
		}
	}
	if negative {
		return -n
	}
	return n
}

func trimLeft(b []byte) []byte {
	for len(b) > 0 && b[0] == '0' {
		b = b[1:]
	}
	return b
}

func trimRight(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

// number is the decimal of a number in a schema.
func number(v *value) (decimal, bool) {
	if v.kind != jsontok.Number {
		return decimal{}, false
	}
	return parseDecimal(v.raw), true
}

func (d decimal) digits() int { return len(d.head) + len(d.tail) }

func (d decimal) digit(i int) byte {
	if i < len(d.head) {
		return d.head[i]
	}
	return d.tail[i-len(d.head)]
}

func (d decimal) sign() int {
	switch {
	case d.digits() == 0:
		return 0
	case d.negative:
		return -1
	}
	return 1
}

func (d decimal) isInteger() bool { return int64(d.digits()) <= d.exp || d.digits() == 0 }

// compare is -1, 0 or 1.
func (d decimal) compare(e decimal) int {
	if s, t := d.sign(), e.sign(); s != t || s == 0 {
		return cmp.Compare(s, t)
	}
	return d.sign() * d.compareAbs(e)
}

func (d decimal) compareAbs(e decimal) int {
	if d.exp != e.exp {
		return cmp.Compare(d.exp, e.exp)
	}
	n, m := d.digits(), e.digits()
	for i := range min(n, m) {
		if a, b := d.digit(i), e.digit(i); a != b {
			return cmp.Compare(a, b)
		}
	}
	return cmp.Compare(n, m)
}

// count is d as a number of things; those beyond any input saturate.
func (d decimal) count() int {
	if d.exp > 9 {
		return 1<<31 - 1
	}
	n := 0
	for i := range int(d.exp) {
		n *= 10
		if i < d.digits() {
			n += int(d.digit(i) - '0')
		}
	}
	return n
}

// A divisor is coefficient × 10^exp.
type divisor struct {
	coefficient uint64
	exp         int64
	text        string
}

// newDivisor takes a positive number; of more than 18 digits it makes none.
func newDivisor(raw []byte) (*divisor, bool) {
	d := parseDecimal(raw)
	if d.digits() > 18 {
		return nil, false
	}
	v := &divisor{exp: d.exp - int64(d.digits()), text: excerpt(raw)}
	for i := range d.digits() {
		v.coefficient = v.coefficient*10 + uint64(d.digit(i)-'0')
	}
	return v, true
}

// divides reports whether d is an integral multiple of v. The coefficients
// end in no zero, so that d = q·v needs d's exponent to be the greater; then
// only remainders by v's coefficient are ever held.
func (v *divisor) divides(d decimal) bool {
	if d.digits() == 0 {
		return true
	}
	shift := d.exp - int64(d.digits()) - v.exp
	if shift < 0 {
		return false
	}
	var rem uint64
	for i := range d.digits() {
		rem = mulMod(rem, 10, v.coefficient, uint64(d.digit(i)-'0'))
	}
	for base := 10 % v.coefficient; shift > 0; shift >>= 1 {
		if shift&1 != 0 {
			rem = mulMod(rem, base, v.coefficient, 0)
		}
		base = mulMod(base, base, v.coefficient, 0)
	}
	return rem == 0
}

// mulMod is (a·b + c) mod m for a < m and b, c < 2^63.
func mulMod(a, b, m, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	lo, carry := bits.Add64(lo, c, 0)
	return bits.Rem64(hi+carry, lo, m)
}
