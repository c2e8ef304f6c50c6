package svcreg

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// newHeadless returns a headless service: the addresses of its ready
// endpoints, a name for each of them, and their named ports. It returns nil if
// none is ready.
func newHeadless(e *registry.Entry, rules *endpointRules) *service {
	s := newHosts(e, rules)
	if len(s.addrs) == 0 {
		return nil
	}
	for _, p := range headlessPorts(e) {
		if labels, ok := portLabels(p); ok {
			s.add(labels, s.targets(e, p, rules))
		}
	}
	return s
}

// newHosts returns a headless service without its ports.
func newHosts(e *registry.Entry, rules *endpointRules) *service {
	var (
		s       = &service{}
		byLabel = map[string][]netip.Addr{}
	)
	for endpoint, addr := range ready(e) {
		s.addrs = append(s.addrs, addr)
		label := rules.label(endpoint)
		byLabel[label] = append(byLabel[label], addr)
	}
	s.addrs = byFamily(s.addrs)
	s.hosts = make([]host, 0, len(byLabel))
	for label, addrs := range byLabel {
		s.hosts = append(s.hosts, host{label: label, addrs: byFamily(addrs)})
	}
	slices.SortFunc(s.hosts, func(a, b host) int { return strings.Compare(a.label, b.label) })
	return s
}

// ready yields the endpoints that serve, with their addresses. Those that are
// known by a host name only have none, and are left out.
func ready(e *registry.Entry) func(func(*registry.Endpoint, netip.Addr) bool) {
	return func(yield func(*registry.Endpoint, netip.Addr) bool) {
		for i := range e.Subsets {
			for j := range e.Subsets[i].Endpoints {
				endpoint := &e.Subsets[i].Endpoints[j]
				if !endpoint.Addr.IsValid() || !e.Serves(endpoint) {
					continue
				}
				if !yield(endpoint, endpoint.Addr.Unmap().WithZone("")) {
					return
				}
			}
		}
	}
}

// dashed returns an address as a label: with dashes for dots and colons.
func dashed(addr netip.Addr) string {
	if addr.Is4() {
		return strings.ReplaceAll(addr.String(), ".", "-")
	}
	label := strings.ReplaceAll(addr.String(), ":", "-")
	if strings.HasPrefix(label, "-") { // "::1": a label begins and ends otherwise
		label = "0" + label
	}
	if strings.HasSuffix(label, "-") {
		label += "0"
	}
	return label
}

// headlessPorts returns the ports of a headless service: its own or, as it may
// have none, those that its endpoints name.
func headlessPorts(e *registry.Entry) []registry.Port {
	if len(e.Ports) > 0 {
		return e.Ports
	}
	var ports []registry.Port
	for _, subset := range e.Subsets {
		for _, p := range subset.Ports {
			ports = appendNew(ports, registry.Port{Name: p.Name, Protocol: p.Protocol})
		}
	}
	return ports
}

// targets returns where a port of a headless service is served, each host and
// number once, in the order of the hosts.
func (s *service) targets(e *registry.Entry, p registry.Port, rules *endpointRules) []target {
	var all []target
	for _, backend := range e.Backends(p) {
		if !backend.Addr.IsValid() || !e.Serves(backend.Endpoint) {
			continue
		}
		if i, ok := slices.BinarySearchFunc(s.hosts, rules.label(backend.Endpoint), compareHost); ok {
			all = append(all, target{&s.hosts[i], backend.Port})
		}
	}
	return inOrder(all)
}

// inOrder sorts targets by their hosts, and drops the second of equal ones.
func inOrder(all []target) []target {
	slices.SortFunc(all, func(a, b target) int {
		return cmp.Or(strings.Compare(a.host.label, b.host.label), cmp.Compare(a.number, b.number))
	})
	return slices.Clip(slices.Compact(all))
}

// appendNew appends a value unless it is there already. It is for short
// slices.
func appendNew[T comparable](s []T, v T) []T {
	if slices.Contains(s, v) {
		return s
	}
	return append(s, v)
}
