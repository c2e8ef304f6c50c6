package external

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// suspect reports whether an address may be one that is refused: of portal
// networks it knows those of a moment ago.
func (c *controller) suspect(a netip.Addr) bool {
	networks := c.networks.Load()
	return a.IsValid() && (registry.Unusable(a) != "" ||
		networks != nil && slices.ContainsFunc(*networks, func(n netip.Prefix) bool { return n.Contains(a.Unmap()) }))
}

// refusals returns the remarks on addresses that are refused.
func (c *controller) refusals(addrs []netip.Addr) []string {
	var remarks []string
	for _, a := range addrs {
		if reason := Refused(c.snapshot, a); reason != "" {
			remarks = append(remarks, refusal+a.Unmap().String()+": "+reason)
		}
	}
	slices.Sort(remarks)
	return slices.Compact(remarks)
}

// plain tells of the refused addresses of a service whose endpoints are as their
// users wrote them: it has no slice of ours that could say so. What the service's
// condition says was told when that was written.
func (c *controller) plain(s *service) {
	var remarks []string
	if src := s.source; src.service != nil {
		addrs := slices.Clone(src.others)
		for _, subset := range src.subsets {
			for i := range subset.Endpoints {
				addrs = append(addrs, subset.Endpoints[i].Addr)
			}
		}
		remarks = c.refusals(addrs)
	}
	if c.Events != nil && !s.source.says(verdict(remarks)) {
		for _, e := range happened(s.refused, shorten(remarks, mostRemarks), nil, nil) {
			c.Events.Warning(s.key, e.reason, e.message)
		}
	}
	s.refused = remarks
	c.metrics.count(s, 0, 0, len(remarks))
}

// isPlain reports whether a service has nothing that is kept in slices of ours.
func (s *service) isPlain() bool {
	src := s.source
	return src.service == nil || src.check == nil && len(s.hosts) == 0 && len(src.remarks) == 0
}
