package rules

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// HealthCheck is a port at which the node tells load balancers whether it has
// endpoints of a service (healthCheckNodePort, with externalTrafficPolicy
// Local).
type HealthCheck struct {
	Port    uint16
	Service registry.Key
	// Local is how many endpoints of this node are ready.
	Local int
}

// check is a service's wish for a health check.
type check struct {
	HealthCheck
	created int64 // the etcd revision at which the service was
}

// HealthChecks returns the health checks of all services, in the order of
// their ports, each port once.
func (r *Ruleset) HealthChecks() []HealthCheck {
	held, _ := r.healthChecks()
	return held
}

// healthChecks returns who has a port for health checks, and who wants one
// that another service has.
func (r *Ruleset) healthChecks() (held []HealthCheck, refused []Refusal) {
	all := make([]*check, 0, r.checks.Len())
	for _, c := range r.checks.All() {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *check) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.created, b.created), a.Service.Compare(b.Service))
	})
	for _, c := range all {
		holder, taken := r.nodePortHolder(c.Port)
		if n := len(held); n > 0 && held[n-1].Port == c.Port {
			holder, taken = held[n-1].Service, true
		}
		if taken {
			refused = append(refused, Refusal{Service: c.Service, Reason: fmt.Sprintf("healthCheckNodePort %d: held by %v", c.Port, holder)})
			continue
		}
		held = append(held, c.HealthCheck)
	}
	return held, refused
}

// nodePortHolder returns who has a TCP port of the node as its node port.
func (r *Ruleset) nodePortHolder(port uint16) (registry.Key, bool) {
	for _, addr := range [...]netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if rule := r.rule(Frontend{addr, registry.TCP, port}); rule != nil {
			return rule.Service, true
		}
	}
	return registry.Key{}, false
}
