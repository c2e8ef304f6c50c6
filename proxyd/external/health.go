package external

// health is what the checks of an endpoint have come to.
type health struct {
	up     bool
	judged bool // by a check, or by the leader before
	streak int  // how many checks in a row say the opposite
	reason string
}

// observe takes in the outcome of a check, an error where it failed. It returns
// whether the endpoint comes in or goes out. The first check decides alone.
func (h *health) observe(err error, rise, fall int) (changed bool) {
	up := err == nil
	if h.judged && up == h.up {
		h.streak = 0
		return false
	}
	h.streak++
	needed := rise
	if !up {
		needed = fall
	}
	if h.judged && h.streak < needed {
		return false
	}
	changed = h.up != up
	h.up, h.judged, h.streak, h.reason = up, true, 0, ""
	if !up {
		h.reason = err.Error()
	}
	return changed
}

// panics reports whether so few endpoints pass their checks that all stay in.
func panics(passing, all int, share float64) bool {
	return all > 0 && (passing == 0 || float64(passing) < share*float64(all))
}
