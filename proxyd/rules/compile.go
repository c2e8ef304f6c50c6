package rules

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// compiled is what one service comes to, whatever the others are.
type compiled struct {
	claims  []claim
	refused []Refusal
	check   *check
}

// compiler collects what one service wants, after the other: it keeps its
// buffers.
type compiler struct {
	policy *Policy
	// networks are those of portal IPs. Whatever is in them is no endpoint: the
	// kernel translates a packet once, and so would lead it nowhere.
	networks []netip.Prefix

	entry   *registry.Entry
	sources []netip.Prefix
	weights weights
	// places says that it matters where endpoints are; care is the distance
	// up to which it makes no difference.
	places bool
	care   distance
	compiled
	wanted  wanted
	skipped skipped

	claimBuffer     []claim
	candidateBuffer []candidate
	backendBuffer   []Backend
	effectBuffer    []byte
}

// compile returns what a service comes to; nothing for a nil entry.
func (c *compiler) compile(e *registry.Entry) compiled {
	c.compiled = compiled{}
	if e == nil || e.Headless || e.IsAlias() {
		return c.compiled
	}
	c.begin(e)
	for _, port := range e.Ports {
		c.port(port)
	}
	c.claims = slices.Clone(c.claimBuffer)
	if c.skipped.reason != "" {
		c.refuse(Frontend{}, c.skipped.String())
	}
	if e.ExternalLocal && e.HealthCheckNodePort != 0 {
		c.check = &check{HealthCheck{e.HealthCheckNodePort, e.Key, c.localReady()}, e.CreateRevision}
	}
	return c.compiled
}

// begin prepares for a service.
func (c *compiler) begin(e *registry.Entry) {
	c.entry, c.sources, c.weights, c.skipped = e, sources(e.SourceRanges), nil, skipped{}
	c.care = careFor(e.TrafficDistribution)
	c.places = c.care != anywhere || e.InternalLocal || e.ExternalLocal
	c.wanted.reset()
	c.claimBuffer = c.claimBuffer[:0]
	c.readWeights()
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
	c.backendBuffer = c.backendBuffer[:0]
	v4, v6 := c.candidates(port)
	by := families{c.serve(port.Name, v4), c.serve(port.Name, v6)}
	at := func(a netip.Addr) Frontend { return Frontend{a.Unmap(), port.Protocol, port.Port} }
	for _, addr := range c.entry.PortalIPs {
		f := at(addr)
		c.claim(f, c.policy.refusesPortal(f), by.of(f), false, "")
	}
	for _, addr := range c.entry.PublicIPs {
		f := at(addr)
		c.claim(f, c.policy.refusesPublic(f, c.entry.Service), by.of(f), true, "")
	}
	for _, addr := range c.entry.LoadBalancerIPs {
		f := at(addr)
		c.claim(f, c.refusesBalanced(f), by.of(f), true, c.limited(by.of(f), f.Addr))
	}
	for _, f := range c.policy.nodePorts(c.entry.Service, port) {
		c.claim(f, c.policy.refusesNodePort(f), by.of(f), true, "")
	}
}

// claim adds the wish for a frontend, or says why it can't be, beyond the
// reason given. The first wish of a service for a frontend counts.
func (c *compiler) claim(f Frontend, reason string, s *serving, external bool, effect string) {
	if c.wanted.again(f) {
		return
	}
	if not := impossible(f); not != "" {
		reason = not
	}
	if reason == "" && c.isItself(f, s.candidates) {
		reason = "it is one of the service's own endpoints"
	}
	if reason != "" {
		c.refuse(f, reason)
		return
	}
	if effect == "" {
		effect = c.effect(s, external)
	}
	c.claimBuffer = append(c.claimBuffer, claim{placeOf(f), external, c.entry.Key, c.entry.CreateRevision, effect})
}

func (c *compiler) refuse(f Frontend, reason string) {
	c.refused = append(c.refused, Refusal{c.entry.Key, f, reason})
}

// isItself reports whether a frontend is one of those who serve it.
func (c *compiler) isItself(f Frontend, all []candidate) bool {
	if f.IsNodePort() {
		return slices.ContainsFunc(all, func(one candidate) bool {
			return one.Port() == f.Port && c.policy.takesNodePorts(one.Addr())
		})
	}
	_, found := slices.BinarySearchFunc(all, netip.AddrPortFrom(f.Addr, f.Port), func(one candidate, at netip.AddrPort) int {
		return one.AddrPort.Compare(at)
	})
	return found
}

// wanted are the frontends that a service asked for already.
type wanted struct {
	few  []Frontend
	many map[Frontend]struct{} // instead, where few would be many
}

func (w *wanted) reset() { w.few, w.many = w.few[:0], nil }

// again reports whether a frontend was asked for before.
func (w *wanted) again(f Frontend) bool {
	if w.many == nil && len(w.few) < 32 {
		again := slices.Contains(w.few, f)
		w.few = append(w.few, f)
		return again
	}
	if w.many == nil {
		w.many = map[Frontend]struct{}{}
		for _, have := range w.few {
			w.many[have] = struct{}{}
		}
	}
	_, again := w.many[f]
	w.many[f] = struct{}{}
	return again
}
