package rules

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// Policy is all that decides, besides the registry, what a node does: which
// public addresses it honours, and what it knows about itself.
type Policy struct {
	// PublicRanges are where public addresses are honoured. With none they
	// are honoured on NodeAddrs only.
	PublicRanges []netip.Prefix
	// NodeAddrs are the node's own addresses.
	NodeAddrs []netip.Addr
	// Occupied holds the sockets on which processes of the node listen. The
	// key of a wildcard listener has the unspecified address; that of IPv6
	// stands for both families, as such sockets mostly do.
	Occupied map[Frontend]bool
	// NodeName and Zone are the node's.
	NodeName, Zone string
}

// refusesPublic returns why a public frontend isn't honoured; "" if it is.
func (p *Policy) refusesPublic(f Frontend) string {
	own := slices.Contains(p.NodeAddrs, f.Addr)
	switch {
	case !own && !contains(p.PublicRanges, f.Addr):
		return "not in the public ranges of this node, nor one of its addresses"
	case p.Occupied[f] || own && p.wildcard(f):
		return "a process of this node listens there"
	}
	return ""
}

// refusesPortal returns why a portal frontend isn't honoured; "" if it is. A
// portal IP that is an address of the node would take over its own ports.
func (p *Policy) refusesPortal(f Frontend) string {
	if slices.Contains(p.NodeAddrs, f.Addr) {
		return "the portal IP is an address of this node"
	}
	return ""
}

// wildcard reports whether a process listens on all addresses at that port.
func (p *Policy) wildcard(f Frontend) bool {
	any6 := Frontend{netip.IPv6Unspecified(), f.Protocol, f.Port}
	any4 := Frontend{netip.IPv4Unspecified(), f.Protocol, f.Port}
	return p.Occupied[any6] || f.Addr.Is4() && p.Occupied[any4]
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// unusable returns why no service can have an address there, or be served
// there; "" if one can (CVE-2020-8555).
func unusable(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "not an address"
	case a.IsUnspecified():
		return "an unspecified address"
	case a.IsLoopback():
		return "a loopback address"
	case a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "a multicast or broadcast address"
	case a.IsLinkLocalUnicast():
		return "a link-local address"
	}
	return ""
}

// known reports whether the data plane can carry a protocol.
func known(p registry.Protocol) bool {
	return p == registry.TCP || p == registry.UDP || p == registry.SCTP
}
