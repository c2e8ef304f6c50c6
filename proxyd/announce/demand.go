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

// update takes a service in as a snapshot has it.
func (d *demands) update(s *registry.Snapshot, k registry.Key) {
	var leads []lead
	if spec := s.Spec(k); spec != nil && len(spec.LoadBalancerIPs)+len(spec.PublicIPs) > 0 {
		leads = d.leads(s.Entry(spec))
	}
	if d.services[k] = leads; len(leads) == 0 {
		delete(d.services, k)
	}
}

// leads returns the addresses of a service that lead somewhere.
func (d *demands) leads(e *registry.Entry) []lead {
	v4, v6 := d.ready(e)
	var leads []lead
	for _, addr := range slices.Concat(e.LoadBalancerIPs, e.PublicIPs) {
		l := lead{addr.Unmap(), v6}
		if l.addr.Is4() {
			l.demand = v4
		}
		if l.demand != (demand{}) && !slices.Contains(leads, l) {
			leads = append(leads, l)
		}
	}
	return leads
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

// at returns the demand for an address by the services that hold it.
func (d *demands) at(addr netip.Addr, holders []registry.Key) demand {
	var sum demand
	for _, k := range holders {
		for _, l := range d.services[k] {
			if l.addr == addr {
				sum.anywhere += l.anywhere
				sum.here += l.here
			}
		}
	}
	return sum
}
