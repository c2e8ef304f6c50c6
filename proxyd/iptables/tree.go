package iptables

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// node is a subtree of a path-compressed trie of frontends. Nodes are
// immutable, and their shape follows from the frontends below alone: it makes
// no difference in which order they came and went.
type node struct {
	// span is the tightest around all frontends below.
	span span
	// rule is that of the frontend, where the node is a single one.
	rule *rules.Rule
	// children are at least two otherwise, in the order of their spans.
	children []*node
	// weight is how many rules a chain has that holds all of the subtree.
	weight int
	// portals is the tightest prefix around the portal IPs below.
	portals netip.Prefix
}

// newLeaf returns the node of a frontend, that weighs as much as a chain has
// rules for it.
func newLeaf(r *rules.Rule, weight int) *node {
	n := &node{span: spanOf(r.Frontend), rule: r, weight: weight}
	if !r.External {
		n.portals = netip.PrefixFrom(r.Addr, r.Addr.BitLen())
	}
	return n
}

// newInner returns the node above some children, or the only one of them.
func newInner(s span, children []*node) *node {
	switch len(children) {
	case 0:
		return nil
	case 1:
		return children[0]
	}
	n := &node{span: s, children: children}
	for _, c := range children {
		n.weight += c.weight
		n.portals = cover(n.portals, c.portals)
	}
	return n
}

// find returns the rule of a frontend, or nil.
func (n *node) find(at point) *rules.Rule {
	for n != nil && n.span.contains(at) {
		if n.rule != nil {
			return n.rule
		}
		i, found := n.slot(at)
		if !found {
			return nil
		}
		n = n.children[i]
	}
	return nil
}

// with returns the tree in which a leaf stands, in place of the one that had
// its frontend.
func (n *node) with(leaf *node) *node {
	at := leaf.span.first
	switch {
	case n == nil || n.span == leaf.span:
		return leaf
	case !n.span.contains(at):
		pair := []*node{n, leaf}
		if leaf.span.compare(n.span) < 0 {
			slices.Reverse(pair)
		}
		return newInner(around(n.span, leaf.span), pair)
	}
	children := slices.Clone(n.children)
	if i, found := n.slot(at); found {
		children[i] = children[i].with(leaf)
	} else {
		children = slices.Insert(children, i, leaf)
	}
	return newInner(n.span, children)
}

// without returns the tree without a frontend; nil if that was the last one.
func (n *node) without(at point) *node {
	if n == nil || !n.span.contains(at) {
		return n
	}
	if n.rule != nil {
		return nil
	}
	i, found := n.slot(at)
	if !found {
		return n
	}
	child := n.children[i].without(at)
	if child == n.children[i] {
		return n
	}
	children := slices.Clone(n.children)
	if children[i] = child; child == nil {
		children = slices.Delete(children, i, i+1)
	}
	return newInner(n.span, children)
}

// slot returns the child whose share of the span a point falls into, or where
// such a child would stand.
func (n *node) slot(at point) (int, bool) {
	return slices.BinarySearchFunc(n.children, n.span.share(at), func(c *node, share span) int {
		if share.contains(c.span.first) {
			return 0
		}
		return c.span.compare(share)
	})
}

// leaves yields the frontends of a subtree in order.
func (n *node) leaves(yield func(*node)) {
	switch {
	case n == nil:
	case n.rule != nil:
		yield(n)
	default:
		for _, c := range n.children {
			c.leaves(yield)
		}
	}
}

// cover returns the tightest prefix around two of one family. A zero prefix
// covers nothing.
func cover(a, b netip.Prefix) netip.Prefix {
	if !a.IsValid() || a == b {
		return b
	}
	if !b.IsValid() {
		return a
	}
	bits := min(a.Bits(), b.Bits())
	for !netip.PrefixFrom(a.Addr(), bits).Contains(b.Addr()) {
		bits--
	}
	return netip.PrefixFrom(a.Addr(), bits).Masked()
}
