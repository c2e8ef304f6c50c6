package rules

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// Standing says of an endpoint whether it may get a packet.
type Standing struct {
	registry.Backend
	// WhyNot says for people why it gets none, as "it is not ready"; empty for
	// one that may.
	WhyNot string
}

// Endpoints returns the endpoints of the service that a packet is for, as the
// registry has them, each address once, and which of them may get it. The
// service and the policy are those that the verdict comes from.
func (v *Verdict) Endpoints(e *registry.Entry, p Policy) []Standing {
	i := slices.IndexFunc(e.Ports, v.Rule.isFor)
	if i < 0 {
		return nil
	}
	c := compiler{policy: &p}
	c.begin(e)
	c.places = true
	j := judge{verdict: v, compiler: &c, local: v.Outside || !v.Rule.External && e.InternalLocal, best: bestOf(&c, v, e.Ports[i])}
	var all []Standing
	for _, b := range e.Backends(e.Ports[i]) {
		all = append(all, Standing{b, j.whyNot(b)})
	}
	return all
}

// isFor reports whether the rule is one of those of a service's port.
func (r *Rule) isFor(p registry.Port) bool {
	number := p.Port
	if r.IsNodePort() {
		number = p.NodePort
	}
	return p.Name == r.PortName && p.Protocol == r.Protocol && number == r.Port
}

// judge tells why endpoints get no packet.
type judge struct {
	verdict  *Verdict
	compiler *compiler
	local    bool       // only endpoints of this node count
	best     *candidate // one that may get it
}

// bestOf returns a candidate that may get the packet, or nil.
func bestOf(c *compiler, v *Verdict, port registry.Port) *candidate {
	v4, v6 := c.candidates(port)
	for _, all := range [...][]candidate{v4, v6} {
		for i := range all {
			if v.sends(all[i].AddrPort) {
				return new(all[i])
			}
		}
	}
	return nil
}

// sends reports whether a backend may get the packet.
func (v *Verdict) sends(to netip.AddrPort) bool {
	return slices.ContainsFunc(v.To, func(h Hop) bool { return h.AddrPort == to })
}

// whyNot returns why an endpoint gets no packet; "" if it may get it.
func (j *judge) whyNot(b registry.Backend) string {
	at := netip.AddrPortFrom(b.Addr.Unmap(), b.Port)
	one, serves := j.compiler.candidate(b)
	switch {
	case j.verdict.sends(at):
		return ""
	case !at.Addr().IsValid():
		return "it has no address"
	case at.Addr().Is4() != j.verdict.Rule.Addr.Is4():
		return "it is of the other address family"
	case !serves && j.compiler.unusableEndpoint(at) != "":
		return "nothing is sent there: " + j.compiler.unusableEndpoint(at)
	case !serves:
		return "it is not ready"
	case j.local && one.distance > sameNode:
		return "it is not on this node"
	case j.best == nil:
		return "the client may not connect"
	case one.rank >= leaving && j.best.rank < leaving:
		return "it is going away"
	case one.rank > j.best.rank:
		return "its weight is 0"
	}
	return "others are nearer"
}
