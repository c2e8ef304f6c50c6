package loadbalancer

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// lists knows which addresses services list, whoever wrote them there.
type lists struct {
	of map[registry.Key][]netip.Addr
	by map[netip.Addr]map[registry.Key]bool
}

func newLists() *lists {
	return &lists{map[registry.Key][]netip.Addr{}, map[netip.Addr]map[registry.Key]bool{}}
}

// set notes what a service lists, nil for one that is gone, and reports whether
// it lists less than before.
func (l *lists) set(k registry.Key, s *registry.Service) (less bool) {
	var addrs []netip.Addr
	if s != nil {
		addrs = slices.Concat(s.PublicIPs, s.LoadBalancerIPs)
	}
	for _, a := range l.of[k] {
		if less = less || !slices.Contains(addrs, a); len(l.by[a]) == 1 {
			delete(l.by, a)
		} else {
			delete(l.by[a], k)
		}
	}
	delete(l.of, k)
	for _, a := range addrs {
		if l.by[a] == nil {
			l.by[a] = map[registry.Key]bool{}
		}
		l.by[a][k] = true
		l.of[k] = addrs
	}
	return less
}

// another reports whether a service other than one lists an address.
func (l *lists) another(k registry.Key, a netip.Addr) bool {
	by := l.by[a]
	return len(by) > 1 || len(by) == 1 && !by[k]
}
