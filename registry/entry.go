package registry

import (
	"iter"
	"net/netip"
)

// Entry is a service together with the endpoints that serve it. It is
// immutable, and a new one is made whenever the service or its endpoints
// change.
type Entry struct {
	*Service
	// Subsets are those of the service's EndpointSlices if it has any, else
	// those of its Endpoints.
	Subsets []Subset
}

// Backend is where one port of a service is served: an endpoint, and the port
// on which it listens.
type Backend struct {
	*Endpoint
	Port uint16
}

// AddrPort returns the backend's socket address. It is invalid for an endpoint
// that is known by its host name only.
func (b Backend) AddrPort() netip.AddrPort { return netip.AddrPortFrom(b.Addr, b.Port) }

// Serves reports whether the endpoint takes new connections to the service.
func (e *Entry) Serves(endpoint *Endpoint) bool { return endpoint.Ready || e.PublishNotReady }

// Backends returns the endpoints of one of the service's ports, ready or not,
// in the order in which the registry has them. An endpoint that stands in two
// places counts once, and as ready if it is in one of them.
func (e *Entry) Backends(port Port) []Backend {
	type identity struct {
		addr netip.Addr
		host string
		port uint16
	}
	var backends []Backend
	seen := map[identity]int{}
	for b := range e.Served(port) {
		id := identity{b.Addr, b.Host, b.Port}
		first, again := seen[id]
		switch {
		case !again:
			seen[id] = len(backends)
			backends = append(backends, b)
		case !backends[first].Ready && b.Ready:
			backends[first] = b
		}
	}
	return backends
}

// Served yields the endpoints of one of the service's ports as they stand in
// the registry, ready or not: one that stands in two places twice.
func (e *Entry) Served(port Port) iter.Seq[Backend] {
	return func(yield func(Backend) bool) {
		for i := range e.Subsets {
			subset := &e.Subsets[i]
			number, ok := e.portIn(subset, port)
			if !ok {
				continue
			}
			for j := range subset.Endpoints {
				if !yield(Backend{&subset.Endpoints[j], number}) {
					return
				}
			}
		}
	}
}

// portIn returns the port on which a subset serves the service's port: the one
// of the same name and protocol. Where both sides have exactly one port, an
// unnamed one serves it whatever its name: v1beta1 endpoints have no names.
func (e *Entry) portIn(subset *Subset, port Port) (number uint16, ok bool) {
	for _, p := range subset.Ports {
		if p.Protocol == port.Protocol && p.Name == port.Name {
			return p.Port, true
		}
	}
	if len(e.Ports) == 1 && len(subset.Ports) == 1 {
		only := subset.Ports[0]
		return only.Port, only.Name == "" && only.Protocol == port.Protocol
	}
	return 0, false
}
