package show

import "math"

// AtLeast shows whether a figure reaches a goal, if there are both.
func AtLeast(figure, goal float64) string {
	return verdict(figure, goal, figure >= goal, Number("≥ %.2f", goal))
}

// AtMost shows whether a figure stays below a goal, if there are both.
func AtMost(figure, goal float64, shown string) string {
	return verdict(figure, goal, figure <= goal, "≤ "+shown)
}

func verdict(figure, goal float64, met bool, shown string) string {
	switch {
	case goal == 0 || math.IsNaN(figure):
		return ""
	case met:
		return shown + " ✓"
	default:
		return shown + " ✗"
	}
}
