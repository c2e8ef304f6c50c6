package registry

import "net/netip"

// Endpoints is one Endpoints or EndpointSlice object: addresses that serve a
// service. Meta.Kind says which of the two it is.
type Endpoints struct {
	Meta
	// Service names the service that is served. An Endpoints object has its
	// service's name; an EndpointSlice says it in a label, and serves none
	// (an empty Name) without it.
	Service Key
	Subsets []Subset
}

// Subset is a set of endpoints that all have the same ports.
type Subset struct {
	Endpoints []Endpoint
	Ports     []EndpointPort
}

// EndpointPort is a port on which every endpoint of a subset listens. It
// belongs to the service's port of the same name and protocol.
type EndpointPort struct {
	Name     string
	Protocol Protocol
	Port     uint16
}

// Endpoint is one address that serves.
type Endpoint struct {
	// Addr is the address; the zero Addr where the endpoint was given by
	// Host.
	Addr netip.Addr
	// Host is the DNS name of an endpoint that was given by name.
	Host string
	// Hostname is the label under which a headless service's endpoint has a
	// name of its own.
	Hostname string
	// Node and Zone say where the endpoint runs.
	Node, Zone string
	// Target is the object behind the endpoint, mostly a pod.
	Target Target

	Ready, Serving, Terminating bool
}

// TargetHost is the Kind of a Target that is no object but a DNS name: the one
// from which svcreg's own slices have the endpoint's address.
const TargetHost = "Host"

// Target names the object behind an endpoint.
type Target struct {
	Kind string
	Key
}
