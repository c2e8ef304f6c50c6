package report

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

// median returns the median of one figure of the rounds.
func (t Throughput) median(figure func(Round) float64) float64 {
	var values []float64
	for _, r := range t.Rounds {
		values = append(values, figure(r))
	}
	return Median(values)
}

func qps(r Round) float64     { return r.QPS }
func cpu(r Round) float64     { return r.CPU }
func etcdCPU(r Round) float64 { return r.EtcdCPU }
func busy(r Round) float64    { return r.Busy }

// ratio returns the median of the quotients of two servers' rounds that were
// measured next to each other; NaN if there are none.
func ratio(a, b Throughput) float64 {
	var values []float64
	for i := range min(len(a.Rounds), len(b.Rounds)) {
		values = append(values, a.Rounds[i].QPS/b.Rounds[i].QPS)
	}
	return Median(values)
}
