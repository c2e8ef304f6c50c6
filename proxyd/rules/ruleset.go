package rules

import (
	"iter"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// Ruleset is what a node does for all services. It is immutable; Update makes
// the next one, which shares with this one all that did not change. It holds
// rules packed, and makes those that somebody asks for. The zero Ruleset is
// that of an empty registry and the zero Policy.
type Ruleset struct {
	policy Policy
	// claims are those of each service, refused what it asked for and can't
	// have, whoever else is there.
	claims    registry.Map[registry.Key, []claim]
	refused   registry.Map[registry.Key, []Refusal]
	frontends contest[place, *claim]
	checks    checks
}

// Compile returns the rules for a snapshot.
func Compile(s *registry.Snapshot, p Policy) *Ruleset {
	r := Ruleset{policy: p}
	r.edit()
	c := compiler{policy: &r.policy, networks: s.PortalNetworks()}
	for e := range s.Services() {
		r.put(e.Key, c.compile(e), nil)
	}
	r.done()
	return &r
}

// Update returns the rules for a snapshot that differs by some changes from
// the one that these rules are for, and the frontends whose rules differ,
// sorted. The cost is that of the changes, however large the registry. Where the
// portal networks have changed, Compile is what makes the next one.
func (r *Ruleset) Update(s *registry.Snapshot, changes *registry.Changes) (*Ruleset, []Frontend) {
	next := *r
	if len(changes.Services) > 1 {
		next.edit()
		defer next.done()
	}
	c := compiler{policy: &next.policy, networks: s.PortalNetworks()}
	before := map[place]*claim{}
	for _, k := range changes.Services {
		next.put(k, c.compile(s.Service(k)), before)
	}
	var changed []Frontend
	for at, old := range before {
		if !old.same(next.holder(at)) {
			changed = append(changed, at.frontend())
		}
	}
	slices.SortFunc(changed, Frontend.Compare)
	return &next, changed
}

// Under returns the same rules, under another policy. The services that it has
// something else to say about must be among the changes of the next Update.
func (r *Ruleset) Under(p Policy) *Ruleset {
	next := *r
	next.policy = p
	return &next
}

// Differing returns the frontends whose rules differ from those of another
// Ruleset, in no order; never nil.
func (r *Ruleset) Differing(from *Ruleset) []Frontend {
	changed := []Frontend{}
	if r == from {
		return changed
	}
	for at, c := range r.frontends.holders.All() {
		if old := from.holder(at); old != c && !old.same(c) {
			changed = append(changed, at.frontend())
		}
	}
	for at := range from.frontends.holders.All() {
		if r.holder(at) == nil {
			changed = append(changed, at.frontend())
		}
	}
	return changed
}

// edit lets put change the Ruleset in place, until done; nobody else may have
// it so far.
func (r *Ruleset) edit() {
	r.claims, r.refused = r.claims.Edit(), r.refused.Edit()
	r.frontends.edit()
	r.checks.edit()
}

func (r *Ruleset) done() {
	r.claims, r.refused = r.claims.Done(), r.refused.Done()
	r.frontends.done()
	r.checks.done()
}

// Lookup returns the rule of a frontend, and whether there is one.
func (r *Ruleset) Lookup(f Frontend) (Rule, bool) {
	if c := r.holder(placeOf(f)); c != nil {
		return c.rule(), true
	}
	return Rule{}, false
}

// Resolve returns the frontend that connections to an address, protocol and
// port are for: that itself, or the node port where it is an address of the
// node that takes node ports and no rule has.
func (r *Ruleset) Resolve(to Frontend) Frontend {
	if r.policy.takesNodePorts(to.Addr) && r.holder(placeOf(to)) == nil {
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
		slices.SortFunc(all, func(a, b *claim) int { return a.compare(b.place) })
		for _, c := range all {
			if !yield(c.rule()) {
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
	for at, rivals := range r.frontends.rivals.All() {
		for _, c := range rivals {
			all = append(all, r.heldBy(c.service, at))
		}
	}
	slices.SortFunc(all, Refusal.compare)
	return all
}

// holder returns the claim that holds a place, or nil.
func (r *Ruleset) holder(at place) *claim {
	c, _ := r.frontends.holders.Get(at)
	return c
}

// put replaces what one service comes to, in a Ruleset that nobody else has
// yet, and notes who held the places that it touches before.
func (r *Ruleset) put(k registry.Key, now compiled, before map[place]*claim) {
	old, _ := r.claims.Get(k)
	for i := range old {
		r.note(old[i].place, before)
		r.frontends.remove(old[i].place, &old[i])
	}
	for i := range now.claims {
		r.note(now.claims[i].place, before)
		r.frontends.add(now.claims[i].place, &now.claims[i])
	}
	r.claims = set(r.claims, k, now.claims, len(now.claims) > 0)
	r.refused = set(r.refused, k, now.refused, len(now.refused) > 0)
	r.putCheck(k, now.check)
	r.recheckAll(old)
	r.recheckAll(now.claims)
}

// set returns a map in which k has a value, or none.
func set[K comparable, V any](m registry.Map[K, V], k K, v V, has bool) registry.Map[K, V] {
	if has {
		return m.With(k, v)
	}
	return m.Without(k)
}

// note remembers who holds a place before that changes, if anybody wants to
// know.
func (r *Ruleset) note(at place, before map[place]*claim) {
	if before == nil {
		return
	}
	if _, noted := before[at]; !noted {
		before[at] = r.holder(at)
	}
}
