package endpoints

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// The labels of slices, as Kubernetes has them.
const (
	managedByLabel   = "endpointslice.kubernetes.io/managed-by"
	serviceNameLabel = "kubernetes.io/service-name"
	headlessLabel    = "service.kubernetes.io/headless"
)

// slice is an EndpointSlice, as it stands or as it is to be.
type slice struct {
	group
	old *registry.Endpoints // nil for a new one
}

// place spreads the groups of a service over slices: an endpoint that stands in
// one stays there, others go where something changes anyway, then where there
// is room, then into those in which nothing is left, then into new ones. What
// is empty in the end is returned too, but for the one slice that every selected
// service has.
func place(groups []group, have []*registry.Endpoints, size int) (placed []slice, empty []*registry.Endpoints) {
	have = slices.SortedFunc(slices.Values(have), func(a, b *registry.Endpoints) int { return a.Compare(b.Key) })
	for _, g := range groups {
		mine := members(g, have)
		have = slices.DeleteFunc(have, func(e *registry.Endpoints) bool { return slices.Contains(mine, e) })
		for _, s := range placeGroup(g, mine, size) {
			if len(s.endpoints) > 0 {
				placed = append(placed, s)
			} else {
				empty = append(empty, s.old)
			}
		}
	}
	empty = append(empty, have...)
	if len(placed) == 0 {
		placed = []slice{{}}
	}
	for i := range placed {
		if placed[i].old == nil && len(empty) > 0 {
			placed[i].old, empty = empty[0], empty[1:]
		}
	}
	return placed, empty
}

// members returns the slices that hold endpoints of a group.
func members(g group, have []*registry.Endpoints) []*registry.Endpoints {
	var mine []*registry.Endpoints
	for _, e := range have {
		ports, endpoints := content(e)
		if len(endpoints) > 0 && endpoints[0].Addr.Is6() == g.v6 && slices.Equal(ports, g.ports) {
			mine = append(mine, e)
		}
	}
	return mine
}

// content returns what stands in a slice.
func content(e *registry.Endpoints) ([]registry.EndpointPort, []registry.Endpoint) {
	if len(e.Subsets) == 0 {
		return nil, nil
	}
	return e.Subsets[0].Ports, e.Subsets[0].Endpoints
}

// identity is what makes an endpoint the same over its changes.
type identity struct {
	target registry.Target
	addr   netip.Addr
}

func identify(e *registry.Endpoint) identity { return identity{e.Target, e.Addr} }

// placeGroup spreads one group over the slices that hold parts of it, and as
// many new ones as it takes. Where most of them would stand half empty or worse
// it starts anew with full ones.
func placeGroup(g group, mine []*registry.Endpoints, size int) []slice {
	wanted := make(map[identity]*registry.Endpoint, len(g.endpoints))
	for i := range g.endpoints {
		wanted[identify(&g.endpoints[i])] = &g.endpoints[i]
	}
	placed := make([]slice, 0, len(mine))
	full := (len(g.endpoints) + size - 1) / size
	for _, old := range mine {
		s := slice{group{v6: g.v6, ports: g.ports}, old}
		if len(mine) <= 2*full {
			s.endpoints = keep(old, wanted, size)
		}
		placed = append(placed, s)
	}
	var rest []registry.Endpoint // in the group's order
	for i := range g.endpoints {
		if wanted[identify(&g.endpoints[i])] == &g.endpoints[i] {
			rest = append(rest, g.endpoints[i])
		}
	}
	for i := range placed {
		if placed[i].changed() {
			rest = placed[i].fill(rest, size)
		}
	}
	for i := range placed {
		rest = placed[i].fill(rest, size)
	}
	for len(rest) > 0 {
		s := slice{group: group{v6: g.v6, ports: g.ports}}
		rest = s.fill(rest, size)
		placed = append(placed, s)
	}
	return placed
}

// keep returns the endpoints of a slice that are still wanted, as they are now,
// and takes them out of what is wanted.
func keep(old *registry.Endpoints, wanted map[identity]*registry.Endpoint, size int) []registry.Endpoint {
	var kept []registry.Endpoint
	_, endpoints := content(old)
	for i := range endpoints {
		id := identify(&endpoints[i])
		if e := wanted[id]; e != nil && len(kept) < size {
			kept = append(kept, *e)
			delete(wanted, id)
		}
	}
	return kept
}

// fill adds endpoints as long as there is room, and returns the others.
func (s *slice) fill(endpoints []registry.Endpoint, size int) []registry.Endpoint {
	n := min(len(endpoints), size-len(s.endpoints))
	s.endpoints = append(s.endpoints, endpoints[:n]...)
	return endpoints[n:]
}

// changed reports whether other endpoints are to stand in a slice than do.
func (s *slice) changed() bool {
	if s.old == nil {
		return true
	}
	ports, endpoints := content(s.old)
	return !slices.Equal(ports, s.ports) || !slices.Equal(endpoints, s.endpoints)
}

// object returns the EndpointSlice of a service that a slice is to be. The
// annotations that others added stay.
func (s *slice) object(service *registry.Service, key registry.Key) *registry.Endpoints {
	e := &registry.Endpoints{
		Meta:    registry.Meta{Kind: registry.KindEndpointSlice, Key: key},
		Service: service.Key,
	}
	if s.old != nil {
		e.Meta = s.old.Meta
		e.Annotations = maps.Clone(e.Annotations)
	}
	e.Labels = labelsOf(service)
	e.Labels[managedByLabel], e.Labels[serviceNameLabel] = Manager, service.Name
	if len(s.endpoints)+len(s.ports) > 0 {
		e.Subsets = []registry.Subset{{Endpoints: s.endpoints, Ports: s.ports}}
	}
	return e
}

// labelsOf returns the labels that an object of a service has: the service's
// own, and whether it is headless.
func labelsOf(service *registry.Service) map[string]string {
	labels := maps.Clone(service.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	if service.Headless {
		labels[headlessLabel] = ""
	}
	return labels
}

// sliceName returns the name of a service's slice. No two services have one of
// the same.
func sliceName(service string, n int) string { return fmt.Sprintf("%s-pods-%d", service, n) }
