package report

import (
	"math"

	"github.com/svcreg/svcreg/bench/dataplane/shape"
	"github.com/svcreg/svcreg/bench/show"
)

// The sizes that goals are set at.
var (
	smallest = Size{10, 5}
	large    = Size{10_000, 5}
	largest  = Size{30_000, 5}
	crowded  = Size{5_000, 50}
)

// What svcreg's shapes are meant to reach. Each is compared with what was
// measured in the same run.
const (
	flatGoal    = 1.2  // × a new flow at 10 services, at 10k and 30k
	passingGoal = 1.15 // × tracking alone, for a flow to no service
	flowGoal    = 20.0 // the peer's new flow × this, at 10k
	changeGoal  = 8.0  // the peer's change × this, at 10k, of iptables
	// Seconds from here on.
	mapsChangeGoal   = 0.2e-3 // at any size
	mapsEndToEndGoal = 5e-3   // p99 at 10k and 30k
	treeEndToEndGoal = 150e-3 // p99 at 10k
	mapsStartGoal    = 1.0    // at 10k
	treeStartGoal    = 4.0
	crowdedStartGoal = 5.0 // of maps, at 250k endpoints
	residentGoal     = 60e6
	idleGoal         = 0.002
)

// when returns a goal where it is set, else none.
func when(set bool, goal float64) float64 {
	if set {
		return goal
	}
	return 0
}

func endToEndGoal(s shape.Name, n Size) float64 {
	if s == shape.Maps {
		return when(n == large || n == largest, mapsEndToEndGoal)
	}
	return when(n == large, treeEndToEndGoal)
}

func startGoal(s shape.Name, n Size) float64 {
	switch {
	case n == large && s == shape.Maps:
		return mapsStartGoal
	case n == large:
		return treeStartGoal
	default:
		return when(n == crowded && s == shape.Maps, crowdedStartGoal)
	}
}

// rival returns the shape that one is compared with; empty if there is none.
func rival(s shape.Name) shape.Name {
	for _, one := range shape.All {
		if one.Name == s {
			return one.Rival
		}
	}
	return ""
}

// times returns how many times as much the rival's values are; NaN if there is
// no rival, or it wasn't measured.
func (r *Results) times(m Measure, s shape.Name, n Size) float64 {
	if rival(s) == "" {
		return math.NaN()
	}
	return show.Ratio(r.Find(m, rival(s), n), r.Find(m, s, n))
}

// grown returns how many times as much memory of the kernel the rival takes; NaN
// where either is lost in the noise.
func (r *Results) grown(s shape.Name, n Size) float64 {
	const noise = 2e6
	if show.Median(r.Find(Memory, s, n)) < noise || show.Median(r.Find(Memory, rival(s), n)) < noise {
		return math.NaN()
	}
	return r.times(Memory, s, n)
}
