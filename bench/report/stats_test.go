package report

import (
	"math"
	"testing"
)

// A ratio compares rounds that were run next to each other: a machine that
// slows down for a while slows down both.
func TestRatio(t *testing.T) {
	a := Throughput{Rounds: []Round{{QPS: 200}, {QPS: 20}, {QPS: 400}}}
	b := Throughput{Rounds: []Round{{QPS: 100}, {QPS: 10}, {QPS: 100}}}
	if got := ratio(a, b); got != 2 {
		t.Errorf("got %v", got)
	}
	if !math.IsNaN(ratio(a, Throughput{})) {
		t.Error("a ratio to nothing")
	}
}
