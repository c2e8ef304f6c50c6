package rules

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// compiled is what one service comes to, whatever the others are.
type compiled struct {
	claims  []*claim
	refused []Refusal
	check   *check
}

// compiler collects what one service wants.
type compiler struct {
	policy  *Policy
	entry   *registry.Entry
	sources []netip.Prefix
	weights weights
	// places says that it matters where endpoints are; care is the distance
	// up to which it makes no difference.
	places bool
	care   distance

	compiled
	wanted  map[Frontend]struct{}
	skipped skipped
}

// compile returns what a service comes to; nothing for a nil entry.
func compile(e *registry.Entry, p *Policy) compiled {
	if e == nil || e.Headless || e.Type == registry.ExternalName {
		return compiled{}
	}
	c := compiler{policy: p, entry: e, sources: sources(e.SourceRanges), wanted: map[Frontend]struct{}{}}
	c.care = careFor(e.TrafficDistribution)
	c.places = c.care != anywhere || e.InternalLocal || e.ExternalLocal
	c.readWeights()
	for _, port := range e.Ports {
		c.port(port)
	}
	if c.skipped.reason != "" {
		c.refuse(Frontend{}, c.skipped.String())
	}
	if e.ExternalLocal && e.HealthCheckNodePort != 0 {
		c.check = &check{HealthCheck{e.HealthCheckNodePort, e.Key, c.localReady()}, e.CreateRevision}
	}
	return c.compiled
}

func (c *compiler) readWeights() {
	text, ok := c.entry.Annotations[WeightsAnnotation]
	if !ok {
		return
	}
	var err error
	if c.weights, err = parseWeights(text); err != nil {
		c.refuse(Frontend{}, fmt.Sprintf("annotation %s: %v; its endpoints all weigh the same", WeightsAnnotation, err))
	}
}

func (c *compiler) port(port registry.Port) {
	v4, v6 := c.candidates(port)
	families := map[bool]serving{true: c.serve(v4), false: c.serve(v6)}
	add := func(f Frontend, refuses func(Frontend) string, rule Rule) {
		to := families[f.Addr.Is4()]
		rule.Frontend, rule.Service, rule.PortName, rule.Affinity = f, c.entry.Key, port.Name, c.entry.AffinityTimeout
		rule.Target = to.portal
		if rule.External {
			rule.Target, rule.Outside = to.external, to.outside
		}
		c.claim(rule, to.candidates, refuses)
	}
	at := func(a netip.Addr) Frontend { return Frontend{a.Unmap(), port.Protocol, port.Port} }
	for _, addr := range c.entry.PortalIPs {
		add(at(addr), c.policy.refusesPortal, Rule{})
	}
	for _, addr := range c.entry.PublicIPs {
		add(at(addr), c.policy.refusesPublic, Rule{External: true})
	}
	for _, addr := range c.entry.LoadBalancerIPs {
		add(at(addr), c.refusesBalanced, Rule{External: true, Sources: c.sourcesFor(addr.Unmap())})
	}
	for _, f := range c.policy.nodePorts(c.entry, port) {
		add(f, c.policy.refusesNodePort, Rule{External: true})
	}
}

// claim adds the wish for a frontend, or says why it can't be. The first wish
// of a service for a frontend counts.
func (c *compiler) claim(rule Rule, all []candidate, refuses func(Frontend) string) {
	f := rule.Frontend
	if _, again := c.wanted[f]; again {
		return
	}
	c.wanted[f] = struct{}{}
	reason := impossible(f)
	if reason == "" {
		reason = refuses(f)
	}
	if reason == "" && c.isItself(f, all) {
		reason = "it is one of the service's own endpoints"
	}
	if reason != "" {
		c.refuse(f, reason)
		return
	}
	c.claims = append(c.claims, &claim{rule, c.entry.CreateRevision})
}

func (c *compiler) refuse(f Frontend, reason string) {
	c.refused = append(c.refused, Refusal{c.entry.Key, f, reason})
}

// isItself reports whether a frontend is one of those who serve it.
func (c *compiler) isItself(f Frontend, all []candidate) bool {
	return slices.ContainsFunc(all, func(one candidate) bool {
		own := one.Addr() == f.Addr || f.IsNodePort() && slices.Contains(c.policy.NodeAddrs, one.Addr())
		return one.Port() == f.Port && own
	})
}
