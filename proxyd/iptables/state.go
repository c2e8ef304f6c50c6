package iptables

import (
	"net/netip"

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
	family      Family
	rules       *rules.Ruleset
	base        base
	nat, filter trees
}

// newState returns what a Ruleset asks for.
func newState(family Family, r *rules.Ruleset, b base) state {
	s := state{family: family, rules: r, base: b}
	nat, filter := s.translating(), s.refusing()
	for rule := range r.Rules() {
		if family.has(rule.Addr) {
			s.nat = nat.set(s.nat, rule.Frontend, &rule)
			s.filter = filter.set(s.filter, rule.Frontend, &rule)
		}
	}
	return s
}

// update returns what a Ruleset asks for that differs at some frontends.
func (s state) update(r *rules.Ruleset, changed []rules.Frontend, b base) state {
	s.rules, s.base = r, b
	nat, filter := s.translating(), s.refusing()
	for _, f := range changed {
		if !s.family.has(f.Addr) {
			continue
		}
		var now *rules.Rule
		if rule, ok := r.Lookup(f); ok {
			now = &rule
		}
		s.nat = nat.set(s.nat, f, now)
		s.filter = filter.set(s.filter, f, now)
	}
	return s
}

// all yields every chain of the state.
func (s state) all(yield func(*chain)) {
	s.translating().chains(s.nat, yield)
	s.refusing().chains(s.filter, yield)
	for _, c := range s.baseChains() {
		yield(c)
	}
}

// diff yields the chains that old has to gone and those that s has to came,
// but for most of those that are the same.
func (s state) diff(old state, gone, came func(*chain)) {
	s.translating().changes(old.nat, s.nat, gone, came)
	s.refusing().changes(old.filter, s.filter, gone, came)
	for _, c := range old.baseChains() {
		gone(c)
	}
	for _, c := range s.baseChains() {
		came(c)
	}
}
