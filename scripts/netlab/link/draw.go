package link

import "math/bits"

// source numbers the independent streams of random decisions.
type source uint64

const (
	drawLoss source = iota
	drawBurst
	drawBurstLoss
	drawJitter
	drawReorder
	drawDuplicate
	drawCopyJitter
	sources
)

// draws yields for each source and packet number one value that depends on
// nothing else, so that no decision shifts another. It is SplitMix64 (Steele,
// Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014, §2) indexed
// by the packet number instead of stepped.
type draws [sources]uint64

const gamma = 0x9e3779b97f4a7c15

func newDraws(seed uint64) draws {
	var d draws
	for s := range d {
		d[s] = mix(mix(seed) + uint64(s+1)*gamma)
	}
	return d
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (d *draws) bits(s source, n uint64) uint64 { return mix(d[s] + n*gamma) }

// hit is true with probability p.
func (d *draws) hit(s source, n uint64, p float64) bool {
	return float64(d.bits(s, n)>>11)*0x1p-53 < p
}

// within is uniform in [-span, span].
func (d *draws) within(s source, n uint64, span int64) int64 {
	hi, _ := bits.Mul64(d.bits(s, n), 2*uint64(span)+1)
	return int64(hi) - span
}
