package endpoints

import (
	"cmp"
	"maps"
	"slices"

	"github.com/svcreg/svcreg/proxyd/external"
	"github.com/svcreg/svcreg/registry"
)

const (
	// managedByAnnotation says to whom an Endpoints object belongs.
	managedByAnnotation = external.MirrorAnnotation
	// overCapacityAnnotation says that an Endpoints object doesn't hold all
	// that there are, as upstream's controller writes it.
	overCapacityAnnotation = "endpoints.kubernetes.io/over-capacity"
	// maxMirrored is how many addresses an Endpoints object holds, as
	// upstream's does.
	maxMirrored = 1000
)

// mirrored reports whether an Endpoints object is the controller's own.
func mirrored(e *registry.Endpoints) bool { return e.Annotations[managedByAnnotation] == Manager }

// mirrorOf returns a service's Endpoints object, which knows one address family
// and no more of an endpoint than whether it is ready: one that goes away is
// not in it, unless whatever is there counts as ready.
func mirrorOf(service *registry.Service, groups []group, have *registry.Endpoints) *registry.Endpoints {
	e := &registry.Endpoints{Meta: registry.Meta{Kind: registry.KindEndpoints, Key: service.Key}, Service: service.Key}
	if have != nil {
		e.Meta = have.Meta
	}
	e.Labels = labelsOf(service)
	e.Annotations = maps.Clone(e.Annotations)
	if e.Annotations == nil {
		e.Annotations = map[string]string{}
	}
	e.Annotations[managedByAnnotation] = Manager
	delete(e.Annotations, overCapacityAnnotation)
	v6, room := firstFamily(service, groups), maxMirrored
	for _, g := range groups {
		if g.v6 != v6 || len(g.ports) == 0 && len(service.Ports) > 0 {
			continue
		}
		endpoints := mirroredEndpoints(service, g)
		if len(endpoints) > room {
			e.Annotations[overCapacityAnnotation] = "truncated"
			endpoints = endpoints[:room]
		}
		if room -= len(endpoints); len(endpoints) > 0 {
			e.Subsets = append(e.Subsets, registry.Subset{Endpoints: endpoints, Ports: g.ports})
		}
	}
	return e
}

// mirroredEndpoints returns what of a group stands in an Endpoints object: the
// ready ones first, which is how it is written.
func mirroredEndpoints(service *registry.Service, g group) []registry.Endpoint {
	var endpoints []registry.Endpoint
	for _, e := range g.endpoints {
		if e.Terminating && !service.PublishNotReady {
			continue
		}
		e.Serving, e.Terminating, e.Zone = e.Ready, false, ""
		endpoints = append(endpoints, e)
	}
	rank := map[bool]int{true: 0, false: 1}
	slices.SortStableFunc(endpoints, func(a, b registry.Endpoint) int { return cmp.Compare(rank[a.Ready], rank[b.Ready]) })
	return endpoints
}

// firstFamily returns whether a service's first address is of IPv6; where it
// has none, whether all that its endpoints have are.
func firstFamily(service *registry.Service, groups []group) bool {
	if len(service.PortalIPs) > 0 {
		return service.PortalIPs[0].Is6()
	}
	return len(groups) > 0 && !slices.ContainsFunc(groups, func(g group) bool { return !g.v6 })
}

// sameMirror reports whether two Endpoints objects say the same.
func sameMirror(a, b *registry.Endpoints) bool {
	same := func(a, b registry.Subset) bool {
		return slices.Equal(a.Endpoints, b.Endpoints) && slices.Equal(a.Ports, b.Ports)
	}
	over := overCapacityAnnotation
	return maps.Equal(a.Labels, b.Labels) && a.Annotations[over] == b.Annotations[over] &&
		slices.EqualFunc(a.Subsets, b.Subsets, same)
}
