package rules

import "net/netip"

// serving is where the connections to a port go, in one address family. What
// that comes to in rules is packed once, however many frontends there are.
type serving struct {
	port       string
	candidates []candidate
	portal     Target
	external   Target
	outside    *Target

	portalEffect, externalEffect string
}

// families are those who serve in IPv4, and those who do in IPv6.
type families [2]serving

func (by *families) of(f Frontend) *serving {
	if f.Addr.Is4() {
		return &by[0]
	}
	return &by[1]
}

// serve decides among the candidates of one family.
func (c *compiler) serve(port string, all []candidate) serving {
	s := serving{port: port, candidates: all, external: Target{Backends: c.choose(all, anywhere, c.care)}}
	s.portal = s.external
	if !c.entry.InternalLocal && !c.entry.ExternalLocal {
		return s
	}
	local := Target{Backends: c.choose(all, sameNode, anywhere)}
	local.Drop = len(local.Backends) == 0 && len(all) > 0
	if c.entry.InternalLocal {
		s.portal = local
	}
	if c.entry.ExternalLocal {
		s.outside = &local
	}
	return s
}

// effect returns what a frontend does, packed.
func (c *compiler) effect(s *serving, external bool) string {
	switch {
	case external && s.externalEffect == "":
		s.externalEffect = c.pack(s, s.external, s.outside, nil)
	case !external && s.portalEffect == "":
		s.portalEffect = c.pack(s, s.portal, nil, nil)
	}
	if external {
		return s.externalEffect
	}
	return s.portalEffect
}

// limited returns what a load balancer's address does where not all may
// connect; "" where all may.
func (c *compiler) limited(s *serving, addr netip.Addr) string {
	if sources := c.sourcesFor(addr); sources != nil {
		return c.pack(s, s.external, s.outside, sources)
	}
	return ""
}

func (c *compiler) pack(s *serving, to Target, outside *Target, sources []netip.Prefix) string {
	c.effectBuffer = pack(c.effectBuffer[:0], &Rule{
		PortName: s.port, Target: to, Outside: outside, Sources: sources, Affinity: c.entry.AffinityTimeout,
	})
	return string(c.effectBuffer)
}

// choose returns those of the candidates that get connections. Only those
// count that are as near as farthest; of these the ones of the lowest rank, and
// of these the nearest, where all that are as near as care count as the same.
func (c *compiler) choose(all []candidate, farthest, care distance) []Backend {
	score := func(one *candidate) int { return int(one.rank)<<8 | int(max(one.distance, care)) }
	best, start := 0, len(c.backendBuffer)
	for i := range all {
		one := &all[i]
		if one.distance > farthest {
			continue
		}
		s := score(one)
		if len(c.backendBuffer) == start || s < best {
			best, c.backendBuffer = s, c.backendBuffer[:start]
		}
		if s == best {
			c.backendBuffer = append(c.backendBuffer, one.Backend)
		}
	}
	chosen := c.backendBuffer[start:]
	reduce(chosen)
	return chosen
}
