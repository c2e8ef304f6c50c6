package rules

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// Ruleset is what a node does for all services. It is immutable; Update makes
// the next one, which shares with this one all that did not change. The zero
// Ruleset is that of an empty registry and the zero Policy.
type Ruleset struct {
	policy Policy
	// claims are those of each service, refused what it asked for and can't
	// have, whoever else is there.
	claims    registry.Map[registry.Key, []*claim]
	refused   registry.Map[registry.Key, []Refusal]
	frontends contest[Frontend, *claim]
	checks    checks
}

// Compile returns the rules for a snapshot.
func Compile(s *registry.Snapshot, p Policy) *Ruleset {
	r := Ruleset{policy: p}
	for e := range s.Services() {
		r.put(e.Key, compile(e, &r.policy), nil)
	}
	return &r
}

// Update returns the rules for a snapshot that differs by some changes from
// the one that these rules are for, and the frontends whose rules differ,
// sorted. The cost is that of the changes, however large the registry.
func (r *Ruleset) Update(s *registry.Snapshot, c *registry.Changes) (*Ruleset, []Frontend) {
	next := *r
	before := map[Frontend]*Rule{}
	for _, k := range c.Services {
		next.put(k, compile(s.Service(k), &next.policy), before)
	}
	var changed []Frontend
	for f, old := range before {
		now := next.rule(f)
		if (old == nil) != (now == nil) || old != nil && !old.Equal(*now) {
			changed = append(changed, f)
		}
	}
	slices.SortFunc(changed, Frontend.Compare)
	return &next, changed
}

// Lookup returns the rule of a frontend, and whether there is one.
func (r *Ruleset) Lookup(f Frontend) (Rule, bool) {
	if rule := r.rule(f); rule != nil {
		return *rule, true
	}
	return Rule{}, false
}

// Resolve returns the frontend that connections to an address, protocol and
// port are for: that itself, or the node port where it is an address of the
// node that no rule has.
func (r *Ruleset) Resolve(to Frontend) Frontend {
	if r.rule(to) == nil && slices.Contains(r.policy.NodeAddrs, to.Addr) {
		return to.everywhere()
	}
	return to
}

// Len returns the number of rules.
func (r *Ruleset) Len() int { return r.frontends.holders.Len() }

// Rules yields all rules, in the order of their frontends.
func (r *Ruleset) Rules() iter.Seq[Rule] {
	return func(yield func(Rule) bool) {
		all := make([]*claim, 0, r.frontends.holders.Len())
		for _, c := range r.frontends.holders.All() {
			all = append(all, c)
		}
		slices.SortFunc(all, func(a, b *claim) int { return a.Compare(b.Frontend) })
		for _, c := range all {
			if !yield(c.Rule) {
				return
			}
		}
	}
}

// Refusals returns what services asked for and did not get, in the order of
// the services and then of the frontends.
func (r *Ruleset) Refusals() []Refusal {
	all := r.refusedChecks()
	for _, refused := range r.refused.All() {
		all = append(all, refused...)
	}
	for f, rivals := range r.frontends.rivals.All() {
		holder := r.rule(f).Service
		for _, c := range rivals {
			all = append(all, Refusal{c.Service, f, fmt.Sprintf("held by %v", holder)})
		}
	}
	slices.SortFunc(all, func(a, b Refusal) int {
		return cmp.Or(a.Service.Compare(b.Service), a.Compare(b.Frontend), cmp.Compare(a.Reason, b.Reason))
	})
	return all
}

// rule returns the rule of a frontend, or nil.
func (r *Ruleset) rule(f Frontend) *Rule {
	if c, ok := r.frontends.holders.Get(f); ok {
		return &c.Rule
	}
	return nil
}

// put replaces what one service comes to, in a Ruleset that nobody else has
// yet, and notes the rules that stood before at the frontends it touches.
func (r *Ruleset) put(k registry.Key, now compiled, before map[Frontend]*Rule) {
	old, _ := r.claims.Get(k)
	for _, c := range old {
		r.note(c.Frontend, before)
		r.frontends.remove(c.Frontend, c)
	}
	for _, c := range now.claims {
		r.note(c.Frontend, before)
		r.frontends.add(c.Frontend, c)
	}
	r.claims = set(r.claims, k, now.claims, len(now.claims) > 0)
	r.refused = set(r.refused, k, now.refused, len(now.refused) > 0)
	r.putCheck(k, now.check)
	for _, c := range slices.Concat(old, now.claims) {
		if c.IsNodePort() && c.Protocol == registry.TCP {
			r.recheck(c.Port)
		}
	}
}

// set returns a map in which k has a value, or none.
func set[K comparable, V any](m registry.Map[K, V], k K, v V, has bool) registry.Map[K, V] {
	if has {
		return m.With(k, v)
	}
	return m.Without(k)
}

// note remembers the rule of a frontend that is about to change, if anybody
// wants to know.
func (r *Ruleset) note(f Frontend, before map[Frontend]*Rule) {
	if _, noted := before[f]; !noted && before != nil {
		before[f] = r.rule(f)
	}
}
