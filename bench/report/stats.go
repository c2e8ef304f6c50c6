package report

import "github.com/svcreg/svcreg/bench/show"

// median returns the median of one figure of the rounds.
func (t Throughput) median(figure func(Round) float64) float64 {
	return show.Median(t.values(figure))
}

func (t Throughput) values(figure func(Round) float64) []float64 {
	var values []float64
	for _, r := range t.Rounds {
		values = append(values, figure(r))
	}
	return values
}

func qps(r Round) float64     { return r.QPS }
func cpu(r Round) float64     { return r.CPU }
func etcdCPU(r Round) float64 { return r.EtcdCPU }
func busy(r Round) float64    { return r.Busy }

// ratio returns the median of the quotients of two servers' rounds that were
// measured next to each other; NaN if there are none.
func ratio(a, b Throughput) float64 { return show.Ratio(a.values(qps), b.values(qps)) }
