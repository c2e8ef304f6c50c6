package rules

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// Pools says which addresses a registry gives to load balancers, and to which
// services it gave them. Both are the administrator's to say, whatever stands
// in a service. It is immutable.
type Pools struct {
	// Ranges are the networks of the pools.
	Ranges []PoolRange
	// Holders are the services to which an address was given. It is honoured
	// for these and for no others.
	Holders registry.Map[netip.Addr, []registry.Key]
}

// PoolRange is a network of a pool.
type PoolRange struct {
	netip.Prefix
	// Namespaces are those whose services may have its addresses; none means
	// all.
	Namespaces []string
}

// equal reports whether two networks are the same, for the same namespaces.
func (r PoolRange) equal(other PoolRange) bool {
	return r.Prefix == other.Prefix && slices.Equal(r.Namespaces, other.Namespaces)
}

// SameRanges reports whether others have the same networks: they differ at most
// in who holds an address.
func (p *Pools) SameRanges(other *Pools) bool {
	return slices.EqualFunc(p.Ranges, other.Ranges, PoolRange.equal)
}

// trust reports whether an address that a service lists is to be honoured
// because of the pools, and returns why it isn't to be honoured at all; "" if it
// may be for other reasons. An address that nobody holds is for the load
// balancers of the namespaces that its pool is for: what was given in this
// moment, or by hand.
func (p *Pools) trust(a netip.Addr, s *registry.Service) (honoured bool, reason string) {
	if holders, _ := p.Holders.Get(a); len(holders) > 0 {
		if !slices.Contains(holders, s.Key) {
			return false, fmt.Sprintf("the registry gave it to service %v", holders[0])
		}
		return true, ""
	}
	return s.Type == registry.LoadBalancer && slices.ContainsFunc(p.Ranges, func(r PoolRange) bool {
		return r.Contains(a) && (len(r.Namespaces) == 0 || slices.Contains(r.Namespaces, s.Namespace))
	}), ""
}
