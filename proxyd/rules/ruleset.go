package rules

import (
	"fmt"
	"iter"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// Ruleset is what a node does for all services. It is immutable; Update makes
// the next one, which shares with this one all that did not change. The zero
// Ruleset is that of an empty registry and the zero Policy.
type Ruleset struct {
	policy   Policy
	services registry.Map[registry.Key, compiled]
	// claims has for each frontend who wants it, the holder first.
	claims registry.Map[Frontend, []*claim]
	// refused are the services whose own claims were refused; contested are
	// the frontends that more than one service wants.
	refused   registry.Map[registry.Key, []Refusal]
	contested registry.Map[Frontend, struct{}]
}

// Compile returns the rules for a snapshot.
func Compile(s *registry.Snapshot, p Policy) *Ruleset {
	r := Ruleset{policy: p}
	changed := map[Frontend]*Rule{}
	for e := range s.Services() {
		r.put(e.Key, compile(e, &r.policy), changed)
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

// Len returns the number of rules.
func (r *Ruleset) Len() int { return r.claims.Len() }

// Rules yields all rules, in the order of their frontends.
func (r *Ruleset) Rules() iter.Seq[Rule] {
	return func(yield func(Rule) bool) {
		all := make([]*claim, 0, r.claims.Len())
		for _, claims := range r.claims.All() {
			all = append(all, claims[0])
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
	var all []Refusal
	for _, refused := range r.refused.All() {
		all = append(all, refused...)
	}
	for f := range r.contested.All() {
		claims, _ := r.claims.Get(f)
		for _, c := range claims[1:] {
			all = append(all, Refusal{c.Service, f, fmt.Sprintf("held by %v", claims[0].Service)})
		}
	}
	slices.SortFunc(all, func(a, b Refusal) int {
		if order := a.Service.Compare(b.Service); order != 0 {
			return order
		}
		return a.Frontend.Compare(b.Frontend)
	})
	return all
}

// rule returns the rule of a frontend, or nil.
func (r *Ruleset) rule(f Frontend) *Rule {
	claims, ok := r.claims.Get(f)
	if !ok {
		return nil
	}
	return &claims[0].Rule
}

// put replaces what one service comes to, in a Ruleset that nobody else has
// yet, and notes the rules that stood before at the frontends it touches.
func (r *Ruleset) put(k registry.Key, now compiled, before map[Frontend]*Rule) {
	old, _ := r.services.Get(k)
	for _, c := range old.claims {
		r.note(c.Frontend, before)
		r.setClaims(c.Frontend, without(r.claimsAt(c.Frontend), c))
	}
	for _, c := range now.claims {
		r.note(c.Frontend, before)
		r.setClaims(c.Frontend, with(r.claimsAt(c.Frontend), c))
	}
	if len(now.refused) > 0 {
		r.refused = r.refused.With(k, now.refused)
	} else {
		r.refused = r.refused.Without(k)
	}
	if len(now.claims) > 0 {
		r.services = r.services.With(k, now)
	} else {
		r.services = r.services.Without(k)
	}
}

// note remembers the rule of a frontend that is about to change.
func (r *Ruleset) note(f Frontend, before map[Frontend]*Rule) {
	if _, noted := before[f]; !noted {
		before[f] = r.rule(f)
	}
}

func (r *Ruleset) claimsAt(f Frontend) []*claim {
	claims, _ := r.claims.Get(f)
	return claims
}

func (r *Ruleset) setClaims(f Frontend, claims []*claim) {
	if len(claims) > 0 {
		r.claims = r.claims.With(f, claims)
	} else {
		r.claims = r.claims.Without(f)
	}
	if len(claims) > 1 {
		r.contested = r.contested.With(f, struct{}{})
	} else {
		r.contested = r.contested.Without(f)
	}
}

// with returns a copy of claims that has one more, in order.
func with(claims []*claim, c *claim) []*claim {
	i := 0
	for i < len(claims) && claims[i].before(c) {
		i++
	}
	return slices.Insert(slices.Clone(claims), i, c)
}

// without returns a copy of claims that lacks one.
func without(claims []*claim, c *claim) []*claim {
	return slices.DeleteFunc(slices.Clone(claims), func(have *claim) bool { return have == c })
}
