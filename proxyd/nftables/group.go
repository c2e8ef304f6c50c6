package nftables

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// group is what has to be done for one frontend: all of it in one transaction,
// so that the frontend is right at every moment.
type group struct {
	// rule is what the frontend is to have; nil where it is nobody's any more.
	rule       *rules.Rule
	gone, come []element
}

func (g *group) len() int { return len(g.gone) + len(g.come) }

// whole returns all that may stand of the group's frontend: what is to go, and
// what was to stay.
func (g *group) whole() []element {
	come := map[slot]bool{}
	for _, e := range g.come {
		come[e.at()] = true
	}
	stand := slices.Clone(g.gone)
	elements(g.rule, func(e element) {
		if !come[e.at()] {
			stand = append(stand, e)
		}
	})
	return stand
}

// tooMany returns why a rule can't be carried out, or nil.
func tooMany(r *rules.Rule) error {
	targets := []*rules.Target{&r.Target}
	if r.Outside != nil {
		targets = append(targets, r.Outside)
	}
	for _, t := range targets {
		if n := t.Slots(); n > maxSlots {
			return fmt.Errorf("%v has %d slots for its endpoints: want at most %d", r.Frontend, n, maxSlots)
		}
	}
	return nil
}

// change returns the way from a frontend's rule to the next one; nil stands for
// none. Elements of hairpin are only added: others may share them, and one too
// many does no harm until the next full sync.
func change(old, now *rules.Rule) group {
	var g group
	before := map[slot]element{}
	if old != nil {
		elements(old, func(e element) { before[e.at()] = e })
	}
	if now != nil {
		g.rule = now
		elements(now, func(e element) {
			was, stood := before[e.at()]
			delete(before, e.at())
			if stood && was == e {
				return
			}
			if stood {
				g.gone = append(g.gone, was)
			}
			g.come = append(g.come, e)
		})
		had := map[string]bool{}
		if old != nil {
			hairpins(old, func(e element) { had[e.key] = true })
		}
		hairpins(now, func(e element) {
			if !had[e.key] {
				had[e.key] = true
				g.come = append(g.come, e)
			}
		})
	}
	g.gone = append(g.gone, slices.SortedFunc(maps.Values(before), element.compare)...)
	return g
}

// slot is where an element stands.
type slot struct {
	set setID
	key string
}

func (e element) at() slot { return slot{e.set, e.key + e.end} }

func (e element) compare(other element) int {
	return cmp.Or(cmp.Compare(e.set, other.set), cmp.Compare(e.key, other.key), cmp.Compare(e.end, other.end))
}

// repair returns the way from what stands to what some rules ask for.
func repair(f rules.Family, s *standing, all []rules.Rule) []group {
	var groups []group
	for i := range all {
		g := group{rule: &all[i]}
		each := func(e element) {
			id, at := e.set, e.key+e.end
			value, stands := s.elements[id][at]
			delete(s.elements[id], at)
			if stands && value == e.value {
				return
			}
			if stands {
				g.gone = append(g.gone, element{id, e.key, e.end, value})
			}
			if g.come == nil {
				g.come = make([]element, 0, all[i].Target.Slots()+1)
			}
			g.come = append(g.come, e)
		}
		elements(&all[i], each)
		if g.len() > 0 {
			groups = append(groups, g)
		}
	}
	return append(joinRest(f, s, groups), hairpinGroups(s, all)...)
}

// joinRest adds the elements that nobody asked for to the groups of their
// frontends.
func joinRest(f rules.Family, s *standing, groups []group) []group {
	index := map[string]int{}
	for i := range groups {
		for _, e := range slices.Concat(groups[i].gone, groups[i].come)[:1] {
			index[e.key[:keyLen(f)]] = i
		}
	}
	for id := range hairpin {
		for at, value := range s.elements[id] {
			n := len(at)
			if id == sources {
				n /= 2
			}
			k := at[:keyLen(f)]
			i, known := index[k]
			if !known {
				i, groups = len(groups), append(groups, group{})
				index[k] = i
			}
			groups[i].gone = append(groups[i].gone, element{id, at[:n], at[n:], value})
		}
	}
	return groups
}

// hairpinGroups returns what has to be done to the set hairpin, in parts.
func hairpinGroups(s *standing, all []rules.Rule) []group {
	var g group
	wanted := make(map[string]bool, len(all))
	stand := s.elements[hairpin]
	for i := range all {
		hairpins(&all[i], func(e element) {
			if _, stands := stand[e.key]; !wanted[e.key] && !stands {
				g.come = append(g.come, e)
			}
			wanted[e.key] = true
		})
	}
	for at := range stand {
		if !wanted[at] {
			g.gone = append(g.gone, element{set: hairpin, key: at})
		}
	}
	return parts(g)
}

// parts splits a group that is no frontend's.
func parts(g group) []group {
	var all []group
	for part := range slices.Chunk(g.gone, chunk) {
		all = append(all, group{gone: part})
	}
	for part := range slices.Chunk(g.come, chunk) {
		all = append(all, group{come: part})
	}
	return all
}

// leaves notes which elements of hairpin a frontend doesn't ask for any more.
func (t *table) leaves(before, now *rules.Rule) {
	if before == nil {
		return
	}
	if t.stale == nil {
		t.stale = map[string]bool{}
	}
	hairpins(before, func(e element) { t.stale[e.key] = true })
	if now != nil {
		hairpins(now, func(e element) { delete(t.stale, e.key) })
	}
}

// sweep returns the elements of hairpin that changes left, and nobody asks for.
func (t *table) sweep(f rules.Family, r *rules.Ruleset) group {
	if len(t.stale) == 0 {
		return group{}
	}
	for rule := range r.Rules() {
		if f.Has(rule.Addr) {
			hairpins(&rule, func(e element) { delete(t.stale, e.key) })
		}
	}
	var g group
	for _, k := range slices.Sorted(maps.Keys(t.stale)) {
		g.gone = append(g.gone, element{set: hairpin, key: k})
	}
	t.stale = nil
	return g
}
