package iptables

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// stride is how many address bits one level of the tree decides: a chain
// leads to at most 1<<stride others.
const stride = 3

// node is a subtree of a path-compressed trie of addresses. Nodes are
// immutable, and their shape follows from the addresses below alone: it makes
// no difference in which order they came and went.
type node struct {
	// prefix is the tightest around all addresses below whose length is a
	// multiple of stride or a whole address.
	prefix netip.Prefix
	// rules are those of the address, in order, where the node is one address.
	rules []rules.Rule
	// children are at least two otherwise, in the order of their addresses.
	children []*node
	// weight is how many rules a chain has that holds all of the subtree.
	weight int
	// portals is the tightest prefix around the portal IPs below.
	portals netip.Prefix
}

// isHost reports whether the node is a single address.
func (n *node) isHost() bool { return n.children == nil }

// newHost returns the node of the address that some rules share; weigh says
// what each of them weighs.
func newHost(all []rules.Rule, weigh func(*rules.Rule) int) *node {
	addr := all[0].Addr
	n := &node{prefix: netip.PrefixFrom(addr, addr.BitLen()), rules: all}
	for i := range all {
		n.weight += weigh(&all[i])
		if !all[i].External {
			n.portals = n.prefix
		}
	}
	return n
}

// newInner returns the node above some children, or the only one of them.
func newInner(prefix netip.Prefix, children []*node) *node {
	switch len(children) {
	case 0:
		return nil
	case 1:
		return children[0]
	}
	n := &node{prefix: prefix, children: children}
	for _, c := range children {
		n.weight += c.weight
		n.portals = cover(n.portals, c.portals, 1)
	}
	return n
}

// find returns the host of an address, or nil.
func (n *node) find(addr netip.Addr) *node {
	for n != nil && n.prefix.Contains(addr) {
		if n.isHost() {
			return n
		}
		i, found := n.slot(addr)
		if !found {
			return nil
		}
		n = n.children[i]
	}
	return nil
}

// with returns the tree in which a host stands, in place of the one that had
// its address.
func (n *node) with(host *node) *node {
	addr := host.prefix.Addr()
	switch {
	case n == nil || n.prefix == host.prefix:
		return host
	case !n.prefix.Contains(addr):
		pair := []*node{n, host}
		if addr.Less(n.prefix.Addr()) {
			slices.Reverse(pair)
		}
		return newInner(cover(n.prefix, host.prefix, stride), pair)
	}
	children := slices.Clone(n.children)
	if i, found := n.slot(addr); found {
		children[i] = children[i].with(host)
	} else {
		children = slices.Insert(children, i, host)
	}
	return newInner(n.prefix, children)
}

// without returns the tree without an address; nil if that was the last one.
func (n *node) without(addr netip.Addr) *node {
	if n == nil || !n.prefix.Contains(addr) {
		return n
	}
	if n.isHost() {
		return nil
	}
	i, found := n.slot(addr)
	if !found {
		return n
	}
	children := slices.Clone(n.children)
	children[i] = children[i].without(addr)
	if children[i] == nil {
		children = slices.Delete(children, i, i+1)
	}
	return newInner(n.prefix, children)
}

// slot returns the child whose share of the prefix an address falls into, or
// where such a child would stand.
func (n *node) slot(addr netip.Addr) (int, bool) {
	return slices.BinarySearchFunc(n.children, addr, func(c *node, addr netip.Addr) int {
		if n.share(c.prefix.Addr()).Contains(addr) {
			return 0
		}
		return c.prefix.Addr().Compare(addr)
	})
}

// share returns the part of the node's prefix that one child can have: that
// around an address.
func (n *node) share(addr netip.Addr) netip.Prefix {
	return netip.PrefixFrom(addr, min(n.prefix.Bits()+stride, addr.BitLen()))
}

// hosts yields the addresses of a subtree in order.
func (n *node) hosts(yield func(*node) bool) bool {
	if n == nil {
		return true
	}
	if n.isHost() {
		return yield(n)
	}
	for _, c := range n.children {
		if !c.hosts(yield) {
			return false
		}
	}
	return true
}

// cover returns the tightest prefix around two of one family whose length is
// a multiple of step. A zero prefix covers nothing.
func cover(a, b netip.Prefix, step int) netip.Prefix {
	if !a.IsValid() || a == b {
		return b
	}
	if !b.IsValid() {
		return a
	}
	bits := min(a.Bits(), b.Bits())
	for bits > 0 && (bits%step != 0 || !netip.PrefixFrom(a.Addr(), bits).Contains(b.Addr())) {
		bits--
	}
	return netip.PrefixFrom(a.Addr(), bits).Masked()
}
