package show

import (
	"math"
	"slices"
)

// Percentile returns the smallest value that p in a hundred values don't
// exceed; NaN if there are none.
func Percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// Median returns the middle value, or the mean of the two in the middle; NaN
// if there are no values.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// Ratio returns the median of the quotients of values at the same position in
// two lists, which were measured next to each other; NaN if there are none.
func Ratio(a, b []float64) float64 {
	var quotients []float64
	for i, v := range a[:min(len(a), len(b))] {
		quotients = append(quotients, v/b[i])
	}
	return Median(quotients)
}
