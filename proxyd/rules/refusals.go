package rules

import (
	"fmt"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// RefusalsSince returns the refusals that an older Ruleset had and this one
// doesn't, and those that are new, each in order, where the two differ by some
// services. The cost is that of those services and of their rivals, however
// many refusals there are.
func (r *Ruleset) RefusalsSince(old *Ruleset, changed []registry.Key) (gone, come []Refusal) {
	affected := map[registry.Key]struct{}{}
	for _, k := range changed {
		affected[k] = struct{}{}
		old.rivals(k, affected)
		r.rivals(k, affected)
	}
	for k := range affected {
		before, now := old.refusalsOf(k), r.refusalsOf(k)
		gone = append(gone, lacking(before, now)...)
		come = append(come, lacking(now, before)...)
	}
	slices.SortFunc(gone, Refusal.compare)
	slices.SortFunc(come, Refusal.compare)
	return gone, come
}

// lacking returns the refusals that others are not among.
func lacking(all, others []Refusal) []Refusal {
	return slices.DeleteFunc(slices.Clone(all), func(one Refusal) bool { return slices.Contains(others, one) })
}

// rivals adds the services whose refusals have to do with what a service
// claims.
func (r *Ruleset) rivals(k registry.Key, add map[registry.Key]struct{}) {
	claims, _ := r.claims.Get(k)
	for i := range claims {
		at := claims[i].place
		others, _ := r.frontends.rivals.Get(at)
		for _, c := range others {
			add[c.service] = struct{}{}
		}
		if f := at.frontend(); f.IsNodePort() {
			r.checkRivals(f.Port, add)
		}
	}
	if c, ok := r.checks.of.Get(k); ok {
		r.checkRivals(c.Port, add)
	}
}

// checkRivals adds the services that want a port for their health check.
func (r *Ruleset) checkRivals(port uint16, add map[registry.Key]struct{}) {
	if holder, ok := r.checks.holders.Get(port); ok {
		add[holder.Service] = struct{}{}
	}
	others, _ := r.checks.rivals.Get(port)
	for _, c := range others {
		add[c.Service] = struct{}{}
	}
}

// refusalsOf returns what one service asked for and did not get.
func (r *Ruleset) refusalsOf(k registry.Key) []Refusal {
	refused, _ := r.refused.Get(k)
	all := slices.Clone(refused)
	claims, _ := r.claims.Get(k)
	for i := range claims {
		if at := claims[i].place; r.holder(at).service != k {
			all = append(all, r.heldBy(k, at))
		}
	}
	if c, ok := r.checks.of.Get(k); ok {
		holder, _ := r.checks.holders.Get(c.Port)
		if taker, taken := r.checks.taken.Get(c.Port); holder != c {
			all = append(all, c.refusal(holder.Service))
		} else if taken {
			all = append(all, c.refusal(taker))
		}
	}
	return all
}

// heldBy returns the refusal of a place that another service holds.
func (r *Ruleset) heldBy(k registry.Key, at place) Refusal {
	return Refusal{k, at.frontend(), fmt.Sprintf("held by %v", r.holder(at).service)}
}
