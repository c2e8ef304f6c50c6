package iptables

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// Family is an address family; each has rules of its own.
type Family uint8

// The families.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// String returns "IPv4" or "IPv6".
func (f Family) String() string {
	if f == IPv6 {
		return "IPv6"
	}
	return "IPv4"
}

// has reports whether an address is of the family.
func (f Family) has(a netip.Addr) bool { return a.Is4() == (f == IPv4) }

// only returns the prefixes that are of the family.
func (f Family) only(prefixes []netip.Prefix) []netip.Prefix {
	var same []netip.Prefix
	for _, p := range prefixes {
		if f.has(p.Addr()) {
			same = append(same, p.Masked())
		}
	}
	return same
}

// state is all that the kernel should have for one family. It is a value that
// shares with its predecessor what did not change.
type state struct {
	family Family
	base   base
	nat    *node // frontends with backends
	filter *node // frontends without
}

// newState returns what a Ruleset asks for.
func newState(family Family, r *rules.Ruleset, b base) state {
	s := state{family: family, base: b}
	var same []rules.Rule
	for rule := range r.Rules() {
		if !family.has(rule.Addr) || !built(&rule) {
			continue
		}
		if len(same) > 0 && same[0].Addr != rule.Addr {
			s.put(same[0].Addr, same)
			same = nil
		}
		same = append(same, rule)
	}
	if len(same) > 0 {
		s.put(same[0].Addr, same)
	}
	return s
}

// update returns what a Ruleset asks for that differs at some frontends.
func (s state) update(r *rules.Ruleset, changed []rules.Frontend, b base) state {
	s.base = b
	for _, f := range changed {
		if !s.family.has(f.Addr) {
			continue
		}
		here := slices.DeleteFunc(s.rulesAt(f.Addr), func(have rules.Rule) bool { return have.Frontend == f })
		if rule, ok := r.Lookup(f); ok && built(&rule) {
			here = append(here, rule)
		}
		slices.SortFunc(here, func(a, b rules.Rule) int { return a.Frontend.Compare(b.Frontend) })
		s.put(f.Addr, here)
	}
	return s
}

// built reports whether a rule can be carried out: node ports and limits on who
// may connect can't, so their frontends stay shut.
func built(r *rules.Rule) bool { return !r.IsNodePort() && r.Sources == nil }

// rulesAt returns a copy of the rules of an address.
func (s state) rulesAt(addr netip.Addr) []rules.Rule {
	var all []rules.Rule
	for _, tree := range []*node{s.nat, s.filter} {
		if host := tree.find(addr); host != nil {
			all = append(all, host.rules...)
		}
	}
	return all
}

// put sets the rules of an address, all of them, in order.
func (s *state) put(addr netip.Addr, all []rules.Rule) {
	var serve, refuse []rules.Rule
	for _, r := range all {
		if len(r.Backends) > 0 {
			serve = append(serve, r)
		} else {
			refuse = append(refuse, r)
		}
	}
	s.nat = translating.put(s.nat, addr, serve)
	s.filter = refusing.put(s.filter, addr, refuse)
}

// put returns a tree in which an address has those rules.
func (s *shape) put(root *node, addr netip.Addr, all []rules.Rule) *node {
	if len(all) == 0 {
		return root.without(addr)
	}
	if host := root.find(addr); host != nil && slices.EqualFunc(host.rules, all, rules.Rule.Equal) {
		return root
	}
	return root.with(newHost(all, s.weigh))
}

// all yields every chain of the state.
func (s state) all(yield func(*chain)) {
	translating.all(s.nat, yield)
	refusing.all(s.filter, yield)
	for _, c := range s.baseChains() {
		yield(c)
	}
}

// diff yields the chains that old has to gone and those that s has to came,
// but for most of those that are the same.
func (s state) diff(old state, gone, came func(*chain)) {
	translating.diff(old.nat, s.nat, gone, came)
	refusing.diff(old.filter, s.filter, gone, came)
	for _, c := range old.baseChains() {
		gone(c)
	}
	for _, c := range s.baseChains() {
		came(c)
	}
}
