package rules

// serving is where the connections to a port go, in one address family.
type serving struct {
	candidates []candidate
	portal     Target
	external   Target
	outside    *Target
}

// serve decides among the candidates of one family.
func (c *compiler) serve(all []candidate) serving {
	s := serving{candidates: all, external: Target{Backends: choose(all, anywhere, c.care)}}
	s.portal = s.external
	if !c.entry.InternalLocal && !c.entry.ExternalLocal {
		return s
	}
	local := Target{Backends: choose(all, sameNode, anywhere)}
	local.Drop = len(local.Backends) == 0 && len(all) > 0
	if c.entry.InternalLocal {
		s.portal = local
	}
	if c.entry.ExternalLocal {
		s.outside = &local
	}
	return s
}

// choose returns those of the candidates that get connections. Only those
// count that are as near as farthest; of these the ones of the lowest rank, and
// of these the nearest, where all that are as near as care count as the same.
func choose(all []candidate, farthest, care distance) []Backend {
	score := func(c *candidate) int { return int(c.rank)<<8 | int(max(c.distance, care)) }
	best, n := 0, 0
	for i := range all {
		c := &all[i]
		if c.distance > farthest {
			continue
		}
		switch s := score(c); {
		case n == 0 || s < best:
			best, n = s, 1
		case s == best:
			n++
		}
	}
	if n == 0 {
		return nil
	}
	chosen := make([]Backend, 0, n)
	for i := range all {
		if c := &all[i]; c.distance <= farthest && score(c) == best {
			chosen = append(chosen, c.Backend)
		}
	}
	reduce(chosen)
	return chosen
}
