package rules

import (
	"net/netip"
	"slices"
)

// sources returns networks sorted and without overlap.
func sources(ranges []netip.Prefix) []netip.Prefix {
	var all, kept []netip.Prefix
	for _, p := range ranges {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		all = append(all, p.Masked())
	}
	slices.SortFunc(all, netip.Prefix.Compare) // a network comes before those inside it
	for _, p := range all {
		if !contains(kept, p.Addr()) {
			kept = append(kept, p)
		}
	}
	return kept
}

// sourcesFor returns who may connect to a load balancer's address; nil where
// all may.
func (c *compiler) sourcesFor(addr netip.Addr) []netip.Prefix {
	var same []netip.Prefix
	for _, p := range c.sources {
		switch {
		case p.Addr().Is4() != addr.Is4():
		case p.Bits() == 0:
			return nil
		default:
			same = append(same, p)
		}
	}
	return same
}

// refusesBalanced is refusesPublic for a load balancer's address. One whose
// clients can't be told from others stays shut.
func (c *compiler) refusesBalanced(f Frontend) string {
	limited := len(c.sources) > 0
	same := func(p netip.Prefix) bool { return p.Addr().Is4() == f.Addr.Is4() }
	if limited && !slices.ContainsFunc(c.sources, same) {
		return "loadBalancerSourceRanges have no network of its family, so the address stays shut"
	}
	return c.policy.refusesPublic(f, c.entry.Service)
}
