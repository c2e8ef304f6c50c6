package proxyd

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// listing knows which services list an address that is to lead to them from
// outside.
type listing struct {
	of map[registry.Key][]netip.Addr
	by map[netip.Addr]map[registry.Key]struct{}
}

func newListing() listing {
	return listing{map[registry.Key][]netip.Addr{}, map[netip.Addr]map[registry.Key]struct{}{}}
}

// set notes what a service lists, nil for one that is gone.
func (l *listing) set(k registry.Key, s *registry.Service) {
	for _, a := range l.of[k] {
		if delete(l.by[a], k); len(l.by[a]) == 0 {
			delete(l.by, a)
		}
	}
	delete(l.of, k)
	if s == nil || len(s.PublicIPs)+len(s.LoadBalancerIPs) == 0 {
		return
	}
	for _, a := range slices.Concat(s.PublicIPs, s.LoadBalancerIPs) {
		a = a.Unmap()
		if l.by[a] == nil {
			l.by[a] = map[registry.Key]struct{}{}
		}
		l.by[a][k] = struct{}{}
		l.of[k] = append(l.of[k], a)
	}
}
