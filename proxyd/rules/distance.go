package rules

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// distance is that of an endpoint from this node.
type distance uint8

const (
	sameNode distance = iota
	sameZone
	anywhere
)

// careFor returns up to which distance it makes no difference to a service
// where its endpoints are (spec.trafficDistribution).
func careFor(distribution string) distance {
	switch distribution {
	case "PreferSameNode":
		return sameNode
	case "PreferSameZone", "PreferClose":
		return sameZone
	}
	return anywhere
}

// distance returns how far an endpoint is from this node. One made by hand
// has no node's name; it is known by its address.
func (p *Policy) distance(e *registry.Endpoint, addr netip.Addr) distance {
	switch {
	case p.NodeName != "" && e.Node == p.NodeName || slices.Contains(p.NodeAddrs, addr):
		return sameNode
	case p.Zone != "" && e.Zone == p.Zone:
		return sameZone
	}
	return anywhere
}
