package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// ratio is a median with its 95 % interval by bootstrap. The zero ratio says
// that nothing was measured.
type ratio struct {
	Median, Low, High float64
}

func (r ratio) String() string {
	if r == (ratio{}) {
		return "-"
	}
	return fmt.Sprintf("%.3f (%.3f..%.3f)", r.Median, r.Low, r.High)
}

const resamples = 10000

func ratioOf(values []float64) ratio {
	if len(values) == 0 {
		return ratio{}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	medians := make([]float64, resamples)
	draw := make([]float64, len(values))
	for i := range medians {
		for j := range draw {
			draw[j] = values[rng.IntN(len(values))]
		}
		medians[i] = median(draw)
	}
	slices.Sort(medians)
	return ratio{median(values), medians[resamples*25/1000], medians[resamples*975/1000]}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
