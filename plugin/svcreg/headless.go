package svcreg

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// newHeadless returns a headless service: the addresses and names of its ready
// endpoints, a name for each of them, and their named ports. It returns nil if
// none is ready.
func newHeadless(e *registry.Entry, rules *endpointRules) *service {
	s := newHosts(e, rules)
	if len(s.hosts) == 0 {
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
		byLabel = map[string]*host{}
	)
	for endpoint := range ready(e) {
		label := rules.label(endpoint)
		if byLabel[label] == nil {
			byLabel[label] = &host{label: label}
		}
		byLabel[label].add(endpoint)
		s.host.add(endpoint)
	}
	s.host.tidy()
	s.hosts = make([]host, 0, len(byLabel))
	for _, h := range byLabel {
		h.tidy()
		s.hosts = append(s.hosts, *h)
	}
	slices.SortFunc(s.hosts, func(a, b host) int { return strings.Compare(a.label, b.label) })
	return s
}

// add adds what an endpoint is reached at.
func (h *host) add(endpoint *registry.Endpoint) {
	if endpoint.Addr.IsValid() {
		h.addrs = append(h.addrs, endpoint.Addr)
	} else if name, ok := aliasName(endpoint.Host); ok {
		h.aliases = append(h.aliases, name)
	}
}

// tidy brings what was added into its order, each once.
func (h *host) tidy() {
	h.addrs = byFamily(h.addrs)
	slices.Sort(h.aliases)
	h.aliases = slices.Clip(slices.Compact(h.aliases))
}

// ready yields the endpoints that serve and can be reached.
func ready(e *registry.Entry) iter.Seq[*registry.Endpoint] {
	return func(yield func(*registry.Endpoint) bool) {
		for i := range e.Subsets {
			for j := range e.Subsets[i].Endpoints {
				endpoint := &e.Subsets[i].Endpoints[j]
				if e.Serves(endpoint) && reachable(endpoint) && !yield(endpoint) {
					return
				}
			}
		}
	}
}

// reachable reports whether an endpoint has an address, or a name to look up.
func reachable(endpoint *registry.Endpoint) bool {
	if endpoint.Addr.IsValid() {
		return true
	}
	_, ok := aliasName(endpoint.Host)
	return ok
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

// dashedName returns a host's name as a label: with dashes for dots, and
// shortened if need be to what is still its own.
func dashedName(name string) string {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	label := strings.Map(func(r rune) rune {
		if notInLabel(r) {
			return '-'
		}
		return r
	}, name)
	if len(label) <= maxLabel {
		return label
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name))
	end := fmt.Sprintf("-%08x", hash.Sum32())
	return label[:maxLabel-len(end)] + end
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
		if !reachable(backend.Endpoint) || !e.Serves(backend.Endpoint) {
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
