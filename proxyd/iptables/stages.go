package iptables

import (
	"fmt"
	"net/netip"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// The chains that a frontend can have to itself, by the letter in their names.
// A packet goes from one to the next: who may connect at all (entry), who comes
// from outside the cluster (outside), and where the others go (target). Entry
// is the first of those that there are.
const (
	entryChain   = "F"
	outsideChain = "O"
	targetChain  = "T"
	// sourcesChain and the others are parts of a chain that would be too long.
	sourcesChain  = "S"
	backendsChain = "B"
	affinityChain = "A"
)

// Each of them leads to those after it only. All are deeper than any chain of a
// tree; parts of parts are deeper still.
var stageDepths = map[string]int{
	entryChain: 1000, sourcesChain: 1001, outsideChain: 1100, targetChain: 1200, affinityChain: 1300, backendsChain: 1300,
}

// longest is how many backends or networks a chain may go through.
const longest = 64

// here matches what the node itself sends.
const here = "-m addrtype --src-type LOCAL "

// own yields the chains that a frontend has to itself.
func (s *shape) own(r *rules.Rule, yield func(*chain)) {
	switch {
	case s.fits(r):
	case s.alike(r):
		s.stage(entryChain, r, &r.Target, yield, nil)
	default:
		s.stages(r, yield)
	}
}

// stages yields the chains of a frontend that tells its clients apart.
func (s *shape) stages(r *rules.Rule, yield func(*chain)) {
	target := frontendChain(targetChain, "", r.Frontend)
	s.stage(targetChain, r, &r.Target, yield, nil)
	next := target
	if r.Outside != nil {
		name := outsideChain
		if r.Sources == nil {
			name = entryChain
		}
		inside := []string{here + "-g " + target}
		for _, p := range s.inside {
			inside = append(inside, source(p)+"-g "+target)
		}
		next = s.stage(name, r, r.Outside, yield, inside)
	}
	if r.Sources != nil {
		c := ownChain(s.table, entryChain, "", r)
		c.extend(here + "-g " + target)
		s.admit(c, r, r.Sources, next, "", yield)
		c.extend(s.shut())
		yield(c)
	}
}

// stage yields the chain that carries out a target, behind some rules, and
// returns its name.
func (s *shape) stage(letter string, r *rules.Rule, t *rules.Target, yield func(*chain), before []string) string {
	c := ownChain(s.table, letter, "", r)
	c.extend(before...)
	s.fill(c, r, t, yield)
	yield(c)
	return c.name
}

// admit adds the rules that let clients of some networks go on to the next
// stage. More than a chain takes have chains of their own, each behind the
// tightest network around its part of them.
func (s *shape) admit(c *chain, r *rules.Rule, from []netip.Prefix, next, part string, yield func(*chain)) {
	if len(from) <= longest {
		for _, p := range from {
			c.extend(source(p) + "-g " + next)
		}
		return
	}
	size := longest
	for size*longest < len(from) {
		size *= longest
	}
	for i := 0; len(from) > 0; i++ {
		some := from[:min(size, len(from))]
		from = from[len(some):]
		var all netip.Prefix
		for _, p := range some {
			all = cover(all, p)
		}
		sub := ownChain(s.table, sourcesChain, fmt.Sprintf("%s/%d", part, i), r)
		s.admit(sub, r, some, next, fmt.Sprintf("%s/%d", part, i), yield)
		yield(sub)
		c.extend(source(all) + "-j " + sub.name)
	}
}

// source returns the match for packets from a network, with a space behind it;
// "" for a network that is all addresses.
func source(p netip.Prefix) string {
	if p.Bits() == 0 {
		return ""
	}
	return "-s " + p.String() + " "
}
