package iptables

import (
	"net/netip"

	"github.com/svcreg/svcreg/proxyd/rules"
)

const (
	// leafWeight is how many rules a chain may have before it is split.
	leafWeight = 16
	// ownWeight is how many rules of one frontend may stand in a chain that
	// holds others; with more it has a chain to itself.
	ownWeight = 8
	// publicMark is the bit that marks connections to public frontends.
	publicMark = "0x2000/0x2000"
	// outsideMark is the bit that marks connections that keep their source,
	// whichever border they cross.
	outsideMark = "0x1000/0x1000"
)

// shape is what the trees of one table are made of.
type shape struct {
	job
	table string
	// inside are the networks of the family that are the cluster's.
	inside []netip.Prefix
}

// job is what a table does with the packets to a frontend.
type job interface {
	// wants reports whether the table has rules for a frontend at all.
	wants(r *rules.Rule) bool
	// alike reports whether all packets to a frontend that meet its rules fare
	// the same, whoever the client is.
	alike(r *rules.Rule) bool
	// weight returns how many rules there are for a frontend for which that
	// is so, and flat returns them, with match as their beginning.
	weight(r *rules.Rule) int
	flat(r *rules.Rule, match string) []string
	// fill adds the rules that carry out one of the frontend's targets to a
	// chain that only packets to the frontend come to. More chains that they
	// take it yields.
	fill(c *chain, r *rules.Rule, t *rules.Target, yield func(*chain))
	// shut returns what becomes of those who may not connect.
	shut() string
}

func (s state) translating() *shape {
	return &shape{translating{}, tableNAT, s.cluster()}
}

func (s state) refusing() *shape {
	return &shape{refusing{s.family}, tableFilter, s.cluster()}
}

// fits reports whether the rules of a frontend may stand among those of others.
func (s *shape) fits(r *rules.Rule) bool { return s.alike(r) && s.weight(r) <= ownWeight }

// leafWeight returns how many rules a frontend has among those of others.
func (s *shape) leafWeight(r *rules.Rule) int {
	if s.fits(r) {
		return s.weight(r)
	}
	return 1
}

// leaf returns the rules of a frontend in a chain that may hold others; match
// tells its packets from theirs.
func (s *shape) leaf(r *rules.Rule, match string) []string {
	if s.fits(r) {
		return s.flat(r, match)
	}
	return []string{match + "-g " + frontendChain(entryChain, "", r.Frontend)}
}

// trees are those of one table: of the frontends that have an address, and of
// the node ports.
type trees struct{ addressed, ports *node }

// set gives a frontend its rule; nil takes away the one that it has.
func (s *shape) set(t trees, f rules.Frontend, r *rules.Rule) trees {
	root := &t.addressed
	if f.IsNodePort() {
		root = &t.ports
	}
	at := pointOf(f)
	if r == nil || !s.wants(r) {
		*root = (*root).without(at)
	} else if have := (*root).find(at); have == nil || !have.Equal(*r) {
		*root = (*root).with(newLeaf(r, s.leafWeight(r)))
	}
	return t
}

// chains yields every chain of a table's trees.
func (s *shape) chains(t trees, yield func(*chain)) {
	s.all(t.addressed, yield)
	s.all(t.ports, yield)
}

// changes yields the chains of the old trees to gone and those of the new ones
// to came, but for most of those that are the same.
func (s *shape) changes(old, new trees, gone, came func(*chain)) {
	s.diff(old.addressed, new.addressed, gone, came)
	s.diff(old.ports, new.ports, gone, came)
}
