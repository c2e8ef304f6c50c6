package codec

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcreg/svcreg/registry"
)

func (c *conversion) endpoints(meta registry.Meta, o *corev1.Endpoints) *registry.Endpoints {
	e := &registry.Endpoints{Meta: meta, Service: meta.Key}
	for i := range o.Subsets {
		e.Subsets = append(e.Subsets, c.subset(index("subsets", i), &o.Subsets[i]))
	}
	return e
}

func (c *conversion) subset(path string, o *corev1.EndpointSubset) registry.Subset {
	var s registry.Subset
	s.Endpoints = slices.Grow(s.Endpoints, len(o.Addresses)+len(o.NotReadyAddresses))
	for i := range o.Addresses {
		s.Endpoints = append(s.Endpoints, c.endpoint(path, ".addresses", i, &o.Addresses[i], true))
	}
	for i := range o.NotReadyAddresses {
		s.Endpoints = append(s.Endpoints, c.endpoint(path, ".notReadyAddresses", i, &o.NotReadyAddresses[i], false))
	}
	for i, p := range o.Ports {
		s.Ports = append(s.Ports, registry.EndpointPort{
			Name:     p.Name,
			Protocol: protocol(p.Protocol),
			Port:     c.port(in(path+".ports", i, ".port"), p.Port),
		})
	}
	return s
}

// endpoint reads an address that may be an IP or, for endpoints outside that
// were made by hand, a DNS name.
func (c *conversion) endpoint(path, list string, i int, o *corev1.EndpointAddress, ready bool) registry.Endpoint {
	e := registry.Endpoint{
		Hostname: o.Hostname,
		Node:     value(o.NodeName),
		Target:   target(o.TargetRef),
		Ready:    ready,
		Serving:  ready,
	}
	var ok bool
	if e.Addr, ok = parseAddr(o.IP); !ok {
		if e.Host, ok = hostName(o.IP); !ok {
			c.fail(index(path+list, i)+".ip", o.IP, "an IP address")
		}
	}
	return e
}

func (c *conversion) endpointSlice(meta registry.Meta, o *discoveryv1.EndpointSlice) *registry.Endpoints {
	e := &registry.Endpoints{Meta: meta}
	if service := o.Labels[discoveryv1.LabelServiceName]; service != "" {
		e.Service = registry.Key{Namespace: meta.Namespace, Name: service}
	}
	var s registry.Subset
	s.Endpoints = slices.Grow(s.Endpoints, len(o.Endpoints))
	for i := range o.Endpoints {
		s.Endpoints = c.sliceEndpoints(s.Endpoints, i, o.AddressType, &o.Endpoints[i])
	}
	for i, p := range o.Ports {
		if p.Port == nil {
			continue // no port of its own: nothing that could be reached
		}
		s.Ports = append(s.Ports, registry.EndpointPort{
			Name:     value(p.Name),
			Protocol: protocol(value(p.Protocol)),
			Port:     c.port(in("ports", i, ".port"), *p.Port),
		})
	}
	if s.Endpoints != nil || s.Ports != nil {
		e.Subsets = []registry.Subset{s}
	}
	c.addressType(o.AddressType)
	return e
}

// addressType checks what a slice says its addresses are. Nothing means IP
// addresses.
func (c *conversion) addressType(t discoveryv1.AddressType) {
	switch t {
	case "", discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6, discoveryv1.AddressTypeFQDN:
	default:
		c.fail("addressType", string(t), "IPv4, IPv6 or FQDN")
	}
}

// sliceEndpoints appends an endpoint for each address of one in a slice. They
// all lead to the same process.
func (c *conversion) sliceEndpoints(list []registry.Endpoint, i int, t discoveryv1.AddressType, o *discoveryv1.Endpoint) []registry.Endpoint {
	e := registry.Endpoint{
		Hostname:    value(o.Hostname),
		Node:        value(o.NodeName),
		Zone:        value(o.Zone),
		Target:      target(o.TargetRef),
		Ready:       o.Conditions.Ready == nil || *o.Conditions.Ready,
		Terminating: value(o.Conditions.Terminating),
	}
	e.Serving = e.Ready
	if s := o.Conditions.Serving; s != nil {
		e.Serving = *s
	}
	for j, text := range o.Addresses {
		var ok bool
		want := "an IP address"
		if t == discoveryv1.AddressTypeFQDN {
			want = "a DNS name"
			e.Host, ok = hostName(text)
		} else {
			e.Addr, ok = parseAddr(text)
		}
		if !ok {
			c.fail(index(index("endpoints", i)+".addresses", j), text, want)
		}
		list = append(list, e)
	}
	return list
}

// hostName returns a DNS name in lower case and without the dot at its end.
// What looks like an IPv4 address with a slip in it is no name.
func hostName(text string) (string, bool) {
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	if !isDNSName(name) {
		return "", false
	}
	labels := strings.Split(name, ".")
	numbers := len(labels) > 1 && isNumber(labels[0]) && isNumber(labels[1])
	return name, !numbers && !isNumber(labels[len(labels)-1])
}

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

func target(o *corev1.ObjectReference) registry.Target {
	if o == nil {
		return registry.Target{}
	}
	return registry.Target{Kind: o.Kind, Key: registry.Key{Namespace: o.Namespace, Name: o.Name}}
}

// value returns what p points at, or nothing.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
