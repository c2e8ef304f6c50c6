package external

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// Refused returns why an address can't be that of an endpoint, for people; ""
// if it can.
func Refused(s *registry.Snapshot, a netip.Addr) string {
	a = a.Unmap()
	if reason := registry.Unusable(a); reason != "" {
		return reason
	}
	if holder, ok := s.PortalIPHolder(a); ok {
		return "the portal IP of " + holder.String()
	}
	for _, network := range s.PortalNetworks() {
		if network.Contains(a) {
			return "an address of the portal network " + network.String()
		}
	}
	return ""
}

// serviceOf returns the service that a DNS name of this registry is a name of,
// or of an endpoint or a port of.
func serviceOf(name string, zones []string) (k registry.Key, ok bool) {
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(name, ".")), ".")
	if i := slices.Index(labels, "svc"); i >= 2 {
		return registry.Key{Namespace: labels[i-1], Name: labels[i-2]}, true
	}
	for _, zone := range zones {
		suffix := strings.Split(strings.ToLower(strings.Trim(zone, ".")), ".")
		if n := len(labels) - len(suffix); n >= 2 && slices.Equal(labels[n:], suffix) {
			return registry.Key{Namespace: labels[n-1], Name: labels[n-2]}, true
		}
	}
	if len(labels) == 2 {
		return registry.Key{Namespace: labels[1], Name: labels[0]}, true
	}
	return registry.Key{}, false
}

// loopReason is why a name is refused that loops.
const loopReason = "it leads back to the service itself"

// loops reports whether one of some names leads back to a service: is a name of
// it, or of another one whose own names do.
func loops(k registry.Key, names []string, zones []string, hosts func(registry.Key) []string) bool {
	seen := map[registry.Key]bool{}
	var visit func([]string) bool
	visit = func(names []string) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			next, ok := serviceOf(name, zones)
			if !ok || seen[next] {
				return false
			}
			seen[next] = true
			return next == k || visit(hosts(next))
		})
	}
	return visit(names)
}
