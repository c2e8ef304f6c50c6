package report

import (
	"math"

	"github.com/svcreg/svcreg/bench/show"
)

// What proxyd is meant to reach, compared with what was measured next to it.
const (
	smallGoal = 0.9  // × the requests a second of the bare ReverseProxy
	largeGoal = 0.95 // the same, of large bodies
	nginxGoal = 0.4  // × the requests a second of nginx, of small bodies
	addedGoal = 1e-3 // seconds of the 99th percentile over the ReverseProxy's
	// socketsGoal is in bytes with goalSockets, which enough others tell of.
	socketsGoal   = 500e6
	goalSockets   = 10_000
	enoughSockets = 1000
)

// when returns a goal where it is set, else none.
func when(set bool, goal float64) float64 {
	if set {
		return goal
	}
	return 0
}

// reverseGoal is for the quotient of requests a second and the ReverseProxy's.
func reverseGoal(l Lane) float64 {
	switch l {
	case Small, SmallUnpinned:
		return smallGoal
	case Large, LargeUnpinned:
		return largeGoal
	}
	return 0
}

// latencyGoal is for the 99th percentile over the ReverseProxy's. There is none
// for many large bodies at a time, which wait for each other.
func latencyGoal(l Lane) float64 {
	return when(l != Large && l != LargeUnpinned, addedGoal)
}

// added returns by how much a percentile is above the ReverseProxy's, next to
// which it was measured; NaN if there is nothing to compare.
func (r *Results) added(l Lane, s Server, m Measure) float64 {
	values, bare := r.Find(l, s, m), r.Find(l, Reverse, m)
	if !s.IsOurs() || len(bare) == 0 {
		return math.NaN()
	}
	var differences []float64
	for i, v := range values[:min(len(values), len(bare))] {
		differences = append(differences, v-bare[i])
	}
	return show.Median(differences)
}
