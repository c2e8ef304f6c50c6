package iptables

// dispatches reports whether a node's chain leads on to those of its
// children. It holds all rules of the subtree itself otherwise.
func (n *node) dispatches() bool { return n.rule == nil && n.weight > leafWeight }

// below returns the nodes whose chains this node's chain leads to.
func (n *node) below() []*node {
	if n == nil || !n.dispatches() {
		return nil
	}
	return n.children
}

// at yields the chains that a node has by itself: its own, and those of the
// frontends in it that have chains to themselves.
func (s *shape) at(n *node, yield func(*chain)) {
	c := &chain{table: s.table, name: n.span.chain(), depth: n.span.bits}
	if n.dispatches() {
		for _, child := range n.children {
			c.add("%s-g %s", child.span.match(n.span), child.span.chain())
		}
		yield(c)
		return
	}
	n.leaves(func(leaf *node) {
		lines := s.leaf(leaf.rule, leaf.span.match(n.span))
		c.blocks = append(c.blocks, block{leaf.rule.Service, lines})
		s.own(leaf.rule, yield)
	})
	yield(c)
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

// diff yields the chains of the old tree to gone and those of the new one to
// came, but for the subtrees that both share.
func (s *shape) diff(old, new *node, gone, came func(*chain)) {
	switch {
	case old == new:
	case old == nil:
		s.all(new, came)
	case new == nil:
		s.all(old, gone)
	case old.span == new.span:
		s.at(old, gone)
		s.at(new, came)
		s.pair(old, new, gone, came)
	case old.span.inside(new.span):
		s.at(new, came)
		s.pair(above(new.span, old), new, gone, came)
	case new.span.inside(old.span):
		s.at(old, gone)
		s.pair(old, above(old.span, new), gone, came)
	default:
		s.all(old, gone)
		s.all(new, came)
	}
}

// above returns a node with one child, for pair only.
func above(s span, child *node) *node {
	return &node{span: s, children: []*node{child}, weight: leafWeight + 1}
}

// pair compares what is below two nodes of one span, share by share.
func (s *shape) pair(old, new *node, gone, came func(*chain)) {
	a, b := old.below(), new.below()
	for len(a) > 0 || len(b) > 0 {
		var x, y *node
		switch {
		case len(a) > 0 && len(b) > 0 && old.span.share(a[0].span.first) == new.span.share(b[0].span.first):
			x, y, a, b = a[0], b[0], a[1:], b[1:]
		case len(b) == 0 || len(a) > 0 && a[0].span.compare(b[0].span) < 0:
			x, a = a[0], a[1:]
		default:
			y, b = b[0], b[1:]
		}
		s.diff(x, y, gone, came)
	}
}
