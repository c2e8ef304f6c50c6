package announce

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// demand counts the services at an address that have a ready endpoint of its
// family.
type demand struct {
	anywhere int // every node leads to an endpoint
	here     int // externalTrafficPolicy: Local, with an endpoint on this node
}

// demands knows, for each address that services have from a load balancer,
// whether this node and others have a path to them.
type demands struct {
	node     string
	services map[registry.Key][]lead
}

// lead is what a service adds to the demand for one of its addresses.
type lead struct {
	addr netip.Addr
	demand
}

func newDemands(node string) *demands {
	return &demands{node: node, services: map[registry.Key][]lead{}}
}

// update takes a service in as a snapshot has it, and reports whether that
// makes a difference.
func (d *demands) update(s *registry.Snapshot, k registry.Key) bool {
	var paths []lead
	if spec := s.Spec(k); spec != nil && len(spec.LoadBalancerIPs)+len(spec.PublicIPs) > 0 {
		paths = d.paths(s.Entry(spec))
	}
	if slices.Equal(paths, d.services[k]) {
		return false
	}
	if d.services[k] = paths; len(paths) == 0 {
		delete(d.services, k)
	}
	return true
}

// paths returns the addresses of a service that lead somewhere.
func (d *demands) paths(e *registry.Entry) []lead {
	v4, v6 := d.ready(e)
	var paths []lead
	for _, addr := range slices.Concat(e.LoadBalancerIPs, e.PublicIPs) {
		p := lead{addr.Unmap(), v6}
		if p.addr.Is4() {
			p.demand = v4
		}
		if p.demand != (demand{}) && !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
	}
	return paths
}

// ready returns what a service demands in each family.
func (d *demands) ready(e *registry.Entry) (v4, v6 demand) {
	for _, port := range e.Ports {
		for b := range e.Served(port) {
			family := &v6
			switch addr := b.Addr.Unmap(); {
			case !addr.IsValid() || !e.Serves(b.Endpoint):
				continue
			case addr.Is4():
				family = &v4
			}
			switch {
			case !e.ExternalLocal:
				family.anywhere = 1
			case b.Node == d.node:
				family.here = 1
			}
		}
	}
	return v4, v6
}

// at returns the demand for each address that some service leads from. Others
// may have no path at all, or one through other nodes only.
func (d *demands) at() map[netip.Addr]demand {
	sum := map[netip.Addr]demand{}
	for _, paths := range d.services {
		for _, p := range paths {
			s := sum[p.addr]
			s.anywhere += p.anywhere
			s.here += p.here
			sum[p.addr] = s
		}
	}
	return sum
}
