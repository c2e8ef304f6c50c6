package rules

import (
	"fmt"
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
	// Pools are the registry's own address pools: what it gave to a service is
	// honoured, too.
	Pools Pools
	// NodeAddrs are the node's own addresses.
	NodeAddrs []netip.Addr
	// Occupied holds the sockets on which processes of the node listen. The
	// key of a wildcard listener has the unspecified address; that of IPv6
	// stands for both families, as such sockets mostly do.
	Occupied map[Frontend]bool
	// NodeName and Zone are the node's.
	NodeName, Zone string
	// NodePorts says that services get their node ports.
	NodePorts bool
	// NodePortAddrs are the networks of those addresses of the node that take
	// node ports; none means all of them but link-local ones.
	NodePortAddrs []netip.Prefix
	// ClusterCIDRs are the networks of the pods, MasqueradeAll says that all
	// connections to portal IPs are masqueraded. Both are for Trace only.
	ClusterCIDRs  []netip.Prefix
	MasqueradeAll bool
}

// OwnFrontends returns the frontends that a service asks for on the node's own
// addresses, the node ports on each of them too. It gets them only where no
// process listens: those are for Occupied to tell.
func (p *Policy) OwnFrontends(s *registry.Service) []Frontend {
	var own []Frontend
	for _, port := range s.Ports {
		for _, addr := range slices.Concat(s.PublicIPs, s.LoadBalancerIPs) {
			if addr = addr.Unmap(); slices.Contains(p.NodeAddrs, addr) {
				own = append(own, Frontend{addr, port.Protocol, port.Port})
			}
		}
		for _, f := range p.nodePorts(s, port) {
			own = append(own, f)
			for _, addr := range p.NodeAddrs {
				if addr.Is4() == f.Addr.Is4() && p.takesNodePorts(addr) {
					own = append(own, Frontend{addr, f.Protocol, f.Port})
				}
			}
		}
	}
	return own
}

// nodePorts returns the node ports of a service's port: one for each family
// that its portal IPs have, and for both if it has none.
func (p *Policy) nodePorts(s *registry.Service, port registry.Port) []Frontend {
	if !p.NodePorts || port.NodePort == 0 || !s.HasNodePorts() {
		return nil
	}
	var frontends []Frontend
	for _, is4 := range [...]bool{true, false} {
		has := func(a netip.Addr) bool { return a.Unmap().Is4() == is4 }
		if len(s.PortalIPs) == 0 || slices.ContainsFunc(s.PortalIPs, has) {
			frontends = append(frontends, Frontend{unspecified(is4), port.Protocol, port.NodePort})
		}
	}
	return frontends
}

// takesNodePorts reports whether an address is one of the node's that take node
// ports.
func (p *Policy) takesNodePorts(a netip.Addr) bool {
	return slices.Contains(p.NodeAddrs, a) && !a.IsLoopback() && !a.IsLinkLocalUnicast() &&
		(len(p.NodePortAddrs) == 0 || contains(p.NodePortAddrs, a))
}

const occupied = "a process of this node listens there"

// refusesPublic returns why a public frontend of a service isn't honoured; ""
// if it is. It is in the public ranges, or from an address pool, or at an
// address of the node.
func (p *Policy) refusesPublic(f Frontend, s *registry.Service) string {
	own := slices.Contains(p.NodeAddrs, f.Addr)
	given, others := p.Pools.trust(f.Addr, s)
	switch reason := registry.Unusable(f.Addr); {
	case reason != "":
		return reason
	case others != "":
		return others
	case !own && !given && !contains(p.PublicRanges, f.Addr):
		return "not in the public ranges of this node, nor one of its addresses"
	case p.Occupied[f] || own && p.wildcard(f):
		return occupied
	}
	return ""
}

// refusesPortal returns why a portal frontend isn't honoured; "" if it is. A
// portal IP that is an address of the node would take over its own ports.
func (p *Policy) refusesPortal(f Frontend) string {
	if slices.Contains(p.NodeAddrs, f.Addr) {
		return "the portal IP is an address of this node"
	}
	return registry.Unusable(f.Addr)
}

// refusesNodePort returns why a node port isn't honoured; "" if it is.
func (p *Policy) refusesNodePort(f Frontend) string {
	taken := func(a netip.Addr) bool {
		return a.Is4() == f.Addr.Is4() && p.takesNodePorts(a) && p.Occupied[Frontend{a, f.Protocol, f.Port}]
	}
	if p.wildcard(f) || slices.ContainsFunc(p.NodeAddrs, taken) {
		return occupied
	}
	return ""
}

// wildcard reports whether a process listens on all addresses at that port.
func (p *Policy) wildcard(f Frontend) bool {
	any6 := Frontend{netip.IPv6Unspecified(), f.Protocol, f.Port}
	return p.Occupied[any6] || p.Occupied[f.everywhere()]
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// impossible returns why the data plane can't carry a protocol and port; "" if
// it can.
func impossible(f Frontend) string {
	switch {
	case f.Protocol != registry.TCP && f.Protocol != registry.UDP && f.Protocol != registry.SCTP:
		return fmt.Sprintf("protocol %q: want TCP, UDP or SCTP", string(f.Protocol))
	case f.Port == 0:
		return "port 0: want 1 to 65535"
	}
	return ""
}
