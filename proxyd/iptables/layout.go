package iptables

import "net/netip"

// dispatches reports whether a node's chain leads on to those of its
// children. It holds all rules of the subtree itself otherwise.
func (n *node) dispatches() bool { return !n.isHost() && n.weight > leafWeight }

// below returns the nodes whose chains this node's chain leads to.
func (n *node) below() []*node {
	if n == nil || !n.dispatches() {
		return nil
	}
	return n.children
}

// at yields the chains that a node has by itself: its own, and those of the
// frontends in it that have a chain to themselves.
func (s *shape) at(n *node, yield func(*chain)) {
	c := &chain{table: s.table, name: prefixChain(n.prefix), depth: n.prefix.Bits()}
	if n.dispatches() {
		for _, child := range n.children {
			c.add("%s-g %s", destination(child.prefix), prefixChain(child.prefix))
		}
		yield(c)
		return
	}
	n.hosts(func(host *node) bool {
		s.host(c, host, n == host, yield)
		return true
	})
	yield(c)
}

// host adds an address to a leaf, which is only reached by packets to that
// address if only is set, and yields the chains of its frontends.
func (s *shape) host(leaf *chain, host *node, only bool, yield func(*chain)) {
	match := destination(host.prefix)
	if only {
		match = ""
	}
	alone := host.weight > leafWeight
	for i := range host.rules {
		r := &host.rules[i]
		leaf.blocks = append(leaf.blocks, block{r.Service, s.leaf(r, match, alone)})
		if own := s.own(r, alone); own != nil {
			yield(own)
		}
	}
}

// all yields every chain of a tree.
func (s *shape) all(n *node, yield func(*chain)) {
	if n == nil {
		return
	}
	s.at(n, yield)
	for _, child := range n.below() {
		s.all(child, yield)
	}
}

// destination returns the match for packets to a prefix, with a space behind
// it; "" for a prefix that is all addresses.
func destination(p netip.Prefix) string {
	if p.Bits() == 0 {
		return ""
	}
	return "-d " + p.String() + " "
}

// diff yields the chains of the old tree to gone and those of the new one to
// came, but for the subtrees that both share.
func (s *shape) diff(old, new *node, gone, came func(*chain)) {
	switch {
	case old == new:
	case old == nil:
		s.all(new, came)
	case new == nil:
		s.all(old, gone)
	case old.prefix == new.prefix:
		s.at(old, gone)
		s.at(new, came)
		s.pair(old, new, gone, came)
	case inside(old.prefix, new.prefix):
		s.at(new, came)
		s.pair(&node{prefix: new.prefix, children: []*node{old}, weight: leafWeight + 1}, new, gone, came)
	case inside(new.prefix, old.prefix):
		s.at(old, gone)
		s.pair(old, &node{prefix: old.prefix, children: []*node{new}, weight: leafWeight + 1}, gone, came)
	default:
		s.all(old, gone)
		s.all(new, came)
	}
}

// pair compares what is below two nodes of one prefix, share by share.
func (s *shape) pair(old, new *node, gone, came func(*chain)) {
	a, b := old.below(), new.below()
	for len(a) > 0 || len(b) > 0 {
		var x, y *node
		switch {
		case len(a) > 0 && len(b) > 0 && old.share(a[0].prefix.Addr()).Overlaps(old.share(b[0].prefix.Addr())):
			x, y, a, b = a[0], b[0], a[1:], b[1:]
		case len(b) == 0 || len(a) > 0 && a[0].prefix.Addr().Less(b[0].prefix.Addr()):
			x, a = a[0], a[1:]
		default:
			y, b = b[0], b[1:]
		}
		s.diff(x, y, gone, came)
	}
}

// inside reports whether a lies inside b and is smaller.
func inside(a, b netip.Prefix) bool { return a.Bits() > b.Bits() && b.Contains(a.Addr()) }
