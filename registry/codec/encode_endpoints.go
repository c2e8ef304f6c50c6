package codec

import (
	"errors"

	"github.com/svcreg/svcreg/registry"
)

// encodeEndpoints writes an Endpoints object, in which an endpoint is ready or
// not and no more, or an EndpointSlice.
func encodeEndpoints(o *registry.Endpoints) (encoded, error) {
	if o.Kind == registry.KindEndpointSlice {
		return encodeSlice(o)
	}
	var subsets []encoded
	for i := range o.Subsets {
		subsets = append(subsets, encodeSubset(&o.Subsets[i]))
	}
	e := encoded{}
	list(e, "subsets", subsets)
	return e, nil
}

func encodeSubset(s *registry.Subset) encoded {
	var ready, notReady []encoded
	for i := range s.Endpoints {
		endpoint := &s.Endpoints[i]
		e := encodeEndpoint(endpoint)
		e["ip"] = addressText(endpoint)
		if endpoint.Ready {
			ready = append(ready, e)
		} else {
			notReady = append(notReady, e)
		}
	}
	e := encoded{}
	list(e, "addresses", ready)
	list(e, "notReadyAddresses", notReady)
	list(e, "ports", encodeEndpointPorts(s.Ports))
	return e
}

// encodeEndpoint writes what both kinds have.
func encodeEndpoint(o *registry.Endpoint) encoded {
	e := encoded{}
	set(e, "hostname", o.Hostname)
	set(e, "nodeName", o.Node)
	if o.Target != (registry.Target{}) {
		ref := encoded{}
		set(ref, "kind", o.Target.Kind)
		set(ref, "namespace", o.Target.Namespace)
		set(ref, "name", o.Target.Name)
		e["targetRef"] = ref
	}
	return e
}

func addressText(o *registry.Endpoint) string {
	if o.Host != "" {
		return o.Host
	}
	return o.Addr.String()
}

func encodeEndpointPorts(ports []registry.EndpointPort) []encoded {
	var list []encoded
	for _, p := range ports {
		e := encoded{"port": p.Port, "protocol": p.Protocol}
		set(e, "name", p.Name)
		list = append(list, e)
	}
	return list
}

// encodeSlice writes an EndpointSlice, which has one set of ports and one type
// of addresses. The service that it serves is a label.
func encodeSlice(o *registry.Endpoints) (encoded, error) {
	e := encoded{"endpoints": []encoded{}, "addressType": "IPv4"}
	if len(o.Subsets) > 1 {
		return nil, errors.New("an EndpointSlice has one set of ports: want at most one subset")
	}
	if len(o.Subsets) == 0 {
		return e, nil
	}
	s := &o.Subsets[0]
	list(e, "endpoints", encodeSliceEndpoints(s))
	list(e, "ports", encodeEndpointPorts(s.Ports))
	var err error
	e["addressType"], err = addressType(s)
	return e, err
}

func encodeSliceEndpoints(s *registry.Subset) []encoded {
	var list []encoded
	for i := range s.Endpoints {
		endpoint := &s.Endpoints[i]
		e := encodeEndpoint(endpoint)
		e["addresses"] = []string{addressText(endpoint)}
		e["conditions"] = encoded{
			"ready": endpoint.Ready, "serving": endpoint.Serving, "terminating": endpoint.Terminating,
		}
		set(e, "zone", endpoint.Zone)
		list = append(list, e)
	}
	return list
}

// addressType returns what the addresses of a slice are: that of the first.
// Names and IP addresses can't stand in one slice.
func addressType(s *registry.Subset) (string, error) {
	names := 0
	for i := range s.Endpoints {
		if s.Endpoints[i].Host != "" {
			names++
		}
	}
	switch {
	case names > 0 && names < len(s.Endpoints):
		return "", errors.New("an EndpointSlice has one type of addresses: want IP addresses or names only")
	case names > 0:
		return "FQDN", nil
	case len(s.Endpoints) > 0 && s.Endpoints[0].Addr.Is6():
		return "IPv6", nil
	}
	return "IPv4", nil
}
