package show

import (
	"math"
	"testing"
)

func TestPercentile(t *testing.T) {
	ten := []float64{10, 1, 9, 2, 8, 3, 7, 4, 6, 5}
	for _, tt := range []struct{ p, want float64 }{{0, 1}, {10, 1}, {50, 5}, {51, 6}, {99, 10}, {100, 10}} {
		if got := Percentile(ten, tt.p); got != tt.want {
			t.Errorf("p%v: %v, want %v", tt.p, got, tt.want)
		}
	}
	if ten[0] != 10 {
		t.Error("the values were sorted in place")
	}
	if !math.IsNaN(Percentile(nil, 50)) || !math.IsNaN(Median(nil)) {
		t.Error("figures of nothing")
	}
}

func TestMedian(t *testing.T) {
	if got := Median([]float64{5, 1, 3}); got != 3 {
		t.Errorf("of three: %v", got)
	}
	if got := Median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("of four: %v", got)
	}
}

// A ratio compares what was measured next to each other.
func TestRatio(t *testing.T) {
	if got := Ratio([]float64{200, 20, 400}, []float64{100, 10, 100, 1}); got != 2 {
		t.Errorf("got %v", got)
	}
	if !math.IsNaN(Ratio(nil, []float64{1})) {
		t.Error("a ratio of nothing")
	}
}
