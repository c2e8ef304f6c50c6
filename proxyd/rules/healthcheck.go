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

// before reports whether a service was there before another.
func (c *check) before(other *check) bool {
	return cmp.Or(cmp.Compare(c.created, other.created), c.Service.Compare(other.Service)) < 0
}

// checks are the health checks of a Ruleset.
type checks struct {
	contest[uint16, *check]
	of registry.Map[registry.Key, *check]
	// taken are the ports that are node ports too: those keep them.
	taken registry.Map[uint16, registry.Key]
}

// HealthChecks returns the health checks of all services, in the order of
// their ports, each port once.
func (r *Ruleset) HealthChecks() []HealthCheck {
	var all []HealthCheck
	for port, c := range r.checks.holders.All() {
		if _, taken := r.checks.taken.Get(port); !taken {
			all = append(all, c.HealthCheck)
		}
	}
	slices.SortFunc(all, func(a, b HealthCheck) int { return cmp.Compare(a.Port, b.Port) })
	return all
}

// HealthChecksDiffer reports whether the health checks may be others than
// those of another Ruleset, at no cost.
func (r *Ruleset) HealthChecksDiffer(other *Ruleset) bool {
	return r.checks.holders != other.checks.holders || r.checks.taken != other.checks.taken
}

// localReady returns how many endpoints of this node are ready.
func (c *compiler) localReady() int {
	local := map[netip.Addr]struct{}{}
	for _, subset := range c.entry.Subsets {
		for i := range subset.Endpoints {
			e := &subset.Endpoints[i]
			if c.entry.Serves(e) && e.Addr.IsValid() && c.policy.distance(e, e.Addr.Unmap()) == sameNode {
				local[e.Addr.Unmap()] = struct{}{}
			}
		}
	}
	return len(local)
}

// putCheck replaces the health check that a service wants; nil for none.
func (r *Ruleset) putCheck(k registry.Key, now *check) {
	old, _ := r.checks.of.Get(k)
	if old == now || old != nil && now != nil && *old == *now {
		return
	}
	if old != nil {
		r.checks.remove(old.Port, old)
		r.recheck(old.Port)
	}
	if now != nil {
		r.checks.add(now.Port, now)
		r.recheck(now.Port)
	}
	r.checks.of = set(r.checks.of, k, now, now != nil)
}

// edit lets the checks be changed in place, until done.
func (c *checks) edit() {
	c.contest.edit()
	c.of, c.taken = c.of.Edit(), c.taken.Edit()
}

func (c *checks) done() {
	c.contest.done()
	c.of, c.taken = c.of.Done(), c.taken.Done()
}

// recheckAll looks at the ports of those of some claims that are node ports.
func (r *Ruleset) recheckAll(claims []claim) {
	for i := range claims {
		if f := claims[i].frontend(); f.IsNodePort() && f.Protocol == registry.TCP {
			r.recheck(f.Port)
		}
	}
}

// recheck notes whether a port of health checks is a node port.
func (r *Ruleset) recheck(port uint16) {
	_, wanted := r.checks.holders.Get(port)
	holder, taken := r.nodePortHolder(port)
	r.checks.taken = set(r.checks.taken, port, holder, wanted && taken)
}

// nodePortHolder returns who has a TCP port of the node as its node port.
func (r *Ruleset) nodePortHolder(port uint16) (registry.Key, bool) {
	for _, addr := range [...]netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if c := r.holder(placeOf(Frontend{addr, registry.TCP, port})); c != nil {
			return c.service, true
		}
	}
	return registry.Key{}, false
}

// refusedChecks returns the health checks that services can't have.
func (r *Ruleset) refusedChecks() []Refusal {
	var refused []Refusal
	for port, rivals := range r.checks.rivals.All() {
		holder, _ := r.checks.holders.Get(port)
		for _, c := range rivals {
			refused = append(refused, c.refusal(holder.Service))
		}
	}
	for port, holder := range r.checks.taken.All() {
		c, _ := r.checks.holders.Get(port)
		refused = append(refused, c.refusal(holder))
	}
	return refused
}

func (c *check) refusal(holder registry.Key) Refusal {
	return Refusal{Service: c.Service, Reason: fmt.Sprintf("healthCheckNodePort %d: held by %v", c.Port, holder)}
}
