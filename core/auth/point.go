package auth

import (
	"errors"
	"math/big"
)

var errWeakPoint = errors.New("not a usable Ed25519 key (no canonical curve point, or one of small order)")

// validPoint reports whether enc is the canonical encoding of a point of
// edwards25519 whose order is not a divisor of 8 (RFC 8032 section 5.1.3).
// Keys are public, so variable time does no harm.
func validPoint(enc *[32]byte) bool {
	le := *enc
	le[31] &= 0x7f
	be := le
	for i, j := 0, len(be)-1; i < j; i, j = i+1, j-1 {
		be[i], be[j] = be[j], be[i]
	}
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	y := new(big.Int).SetBytes(be[:])
	if y.Cmp(p) >= 0 || smallOrder(le) {
		return false
	}
	// x² = (y²-1)/(dy²+1), d = -121665/121666. Multiplied through by 121666
	// the quotient keeps its class, so no inversion is needed.
	y2 := new(big.Int).Mul(y, y)
	u := new(big.Int).Sub(y2, big.NewInt(1))
	u.Mul(u, big.NewInt(121666))
	v := new(big.Int).Mul(y2, big.NewInt(-121665))
	v.Add(v, big.NewInt(121666))
	return big.Jacobi(u.Mul(u, v).Mod(u, p), p) == 1
}

// smallOrder reports whether y belongs to one of the eight points whose order
// divides 8: y = 1 (order 1), -1 (2), 0 (4) and the two of order 8.
func smallOrder(y [32]byte) bool {
	switch y {
	case [32]byte{}, [32]byte{0: 1}, minusOne(), orderEightA, orderEightB:
		return true
	}
	return false
}

func minusOne() (y [32]byte) {
	for i := range y {
		y[i] = 0xff
	}
	y[0], y[31] = 0xec, 0x7f
	return y
}

var (
	orderEightA = [32]byte{
		0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
	}
	orderEightB = [32]byte{
		0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
	}
)
