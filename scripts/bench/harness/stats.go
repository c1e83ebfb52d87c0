package harness

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Ratio is the median of the pairs' ratios, ours over the peer's, with its 95 %
// interval: the 2.5th and the 97.5th percentile of the medians of 10,000 samples
// drawn with replacement (percentile bootstrap). One pair gives an interval of no
// width, which says nothing. The zero Ratio was not measured.
type Ratio struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func (r Ratio) String() string {
	if !r.measured() {
		return "-"
	}
	return fmt.Sprintf("%.3f (%.3f..%.3f)", r.Median, r.Low, r.High)
}

func (r Ratio) measured() bool { return r != Ratio{} }

const resamples = 10000

// ratioOf draws from a seed of its own: the same pairs have the same interval.
func ratioOf(values []float64) Ratio { return bootstrap(values, resamples) }

func bootstrap(values []float64, resamples int) Ratio {
	if len(values) == 0 {
		return Ratio{}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	medians := make([]float64, resamples)
	draw := make([]float64, len(values))
	for i := range medians {
		for j := range draw {
			draw[j] = values[rng.IntN(len(values))]
		}
		slices.Sort(draw)
		medians[i] = middle(draw)
	}
	slices.Sort(medians)
	return Ratio{Median(values), medians[resamples*25/1000], medians[resamples*975/1000-1]}
}

// Median of an even number of values is the mean of the middle two; of none, 0.
func Median(values []float64) float64 {
	return middle(slices.Sorted(slices.Values(values)))
}

func middle(sorted []float64) float64 {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
