package rules

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// claim is a service's wish for a frontend, with the rule that it gets there
// if nobody comes before it.
type claim struct {
	Rule
	service *registry.Service
	portal  bool
}

// before reports whether a claim holds a frontend against another: portal IPs
// against public addresses, then the service that was created first.
func (c *claim) before(other *claim) bool {
	if c.portal != other.portal {
		return c.portal
	}
	return c.service.Before(other.service)
}

// compiled is what one service comes to, whatever the others are.
type compiled struct {
	claims  []*claim
	refused []Refusal
}

// compiler collects what one service wants.
type compiler struct {
	policy *Policy
	entry  *registry.Entry
	compiled
}

// compile returns what a service comes to; nothing for a nil entry.
func compile(e *registry.Entry, p *Policy) compiled {
	if e == nil || e.Headless || e.Type == registry.ExternalName {
		return compiled{}
	}
	c := compiler{policy: p, entry: e}
	for _, port := range e.Ports {
		if known(port.Protocol) && port.Port != 0 {
			c.port(port)
		}
	}
	return c.compiled
}

func (c *compiler) port(port registry.Port) {
	backends := backends(c.entry, port)
	for _, addr := range c.entry.PortalIPs {
		c.claim(addr, port, backends, true, c.policy.refusesPortal)
	}
	for _, addr := range c.entry.PublicIPs {
		c.claim(addr, port, backends, false, c.policy.refusesPublic)
	}
	for _, addr := range c.entry.LoadBalancerIPs {
		c.claim(addr, port, backends, false, c.refusesBalanced)
	}
}

// refusesBalanced is refusesPublic for a load balancer's address. One that is
// for some clients only stays shut until that can be held.
func (c *compiler) refusesBalanced(f Frontend) string {
	if len(c.entry.SourceRanges) > 0 {
		return "loadBalancerSourceRanges are not enforced yet, so the address stays shut"
	}
	return c.policy.refusesPublic(f)
}

// claim adds the wish for one address, or says why it can't be.
func (c *compiler) claim(addr netip.Addr, port registry.Port, all []netip.AddrPort, portal bool, refuses func(Frontend) string) {
	f := Frontend{addr.Unmap(), port.Protocol, port.Port}
	if slices.ContainsFunc(c.claims, func(have *claim) bool { return have.Frontend == f }) {
		return
	}
	reason := unusable(f.Addr)
	if reason == "" {
		reason = refuses(f)
	}
	if reason == "" && slices.Contains(all, netip.AddrPortFrom(f.Addr, f.Port)) {
		reason = "it is one of the service's own endpoints"
	}
	if reason != "" {
		c.refused = append(c.refused, Refusal{c.entry.Key, f, reason})
		return
	}
	c.claims = append(c.claims, &claim{
		Rule: Rule{
			Frontend: f, Service: c.entry.Key, PortName: port.Name,
			Backends: ofFamily(all, f.Addr), Affinity: c.entry.AffinityTimeout, Masquerade: !portal,
		},
		service: c.entry.Service, portal: portal,
	})
}

// backends returns where a port is served, sorted and unique: by the ready
// endpoints, or where there are none by those that are going away but still
// serve.
func backends(e *registry.Entry, port registry.Port) []netip.AddrPort {
	var ready, last []netip.AddrPort
	for _, b := range e.Backends(port) {
		at := netip.AddrPortFrom(b.Addr.Unmap(), b.Port)
		switch {
		case b.Port == 0 || unusable(at.Addr()) != "":
		case e.Serves(b.Endpoint):
			ready = append(ready, at)
		case b.Serving && b.Terminating:
			last = append(last, at)
		}
	}
	if len(ready) == 0 {
		ready = last
	}
	slices.SortFunc(ready, netip.AddrPort.Compare)
	return slices.Compact(ready)
}

// ofFamily returns the backends that have the family of an address.
func ofFamily(all []netip.AddrPort, addr netip.Addr) []netip.AddrPort {
	var same []netip.AddrPort
	for _, b := range all {
		if b.Addr().Is4() == addr.Is4() {
			same = append(same, b)
		}
	}
	return same
}
