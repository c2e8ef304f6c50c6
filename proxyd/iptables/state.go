package iptables

import (
	"github.com/svcreg/svcreg/proxyd/rules"
)

// state is all that the kernel should have for one family. It is a value that
// shares with its predecessor what did not change.
type state struct {
	family      rules.Family
	rules       *rules.Ruleset
	base        base
	nat, filter trees
}

// newState returns what a Ruleset asks for.
func newState(family rules.Family, r *rules.Ruleset, b base) state {
	s := state{family: family, rules: r, base: b}
	nat, filter := s.translating(), s.refusing()
	for rule := range r.Rules() {
		if family.Has(rule.Addr) {
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
		if !s.family.Has(f.Addr) {
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
