package proxyd

import (
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// staleFlows remembers for which UDP frontends the kernel may know flows to
// endpoints that serve no more, until those are deleted.
type staleFlows struct {
	// deleteUDP is conntrack.DeleteUDP; nil where the kernel is left alone.
	deleteUDP func(stale func(to, server netip.AddrPort) bool) (int, error)
	deleted   func(n int) // counts
	pending   map[rules.Frontend]struct{}
	// all says that every frontend is to be looked at, and what was
	// translated for portal IPs that no service has.
	all bool
}

// note adds the frontends among the changed ones that had an endpoint which
// they have no more, or that had none at all: flows from that time are not
// translated.
func (f *staleFlows) note(old, now *rules.Ruleset, changed []rules.Frontend) {
	for _, at := range changed {
		if at.Protocol != registry.UDP {
			continue
		}
		before, _ := old.Lookup(at)
		after, _ := now.Lookup(at)
		if lost(before.Target, &after) || before.Outside != nil && lost(*before.Outside, &after) {
			f.add(at)
		}
	}
}

// lost reports whether what went to a target may be where a rule sends nothing.
func lost(before rules.Target, after *rules.Rule) bool {
	return len(before.Backends) == 0 || slices.ContainsFunc(before.Backends, func(b rules.Backend) bool {
		return !after.Sends(b.AddrPort)
	})
}

// recompiled adds all UDP frontends, of a ruleset that another replaced too.
func (f *staleFlows) recompiled(old *rules.Ruleset) {
	f.all = true
	if old == nil {
		return
	}
	for rule := range old.Rules() {
		if rule.Protocol == registry.UDP {
			f.add(rule.Frontend)
		}
	}
}

func (f *staleFlows) add(at rules.Frontend) {
	if f.pending == nil {
		f.pending = map[rules.Frontend]struct{}{}
	}
	f.pending[at] = struct{}{}
}

func (f *staleFlows) has(at rules.Frontend) bool {
	_, ok := f.pending[at]
	return ok
}

// delete makes the kernel forget the flows of those frontends that go where the
// ruleset sends nothing, and reports whether it had to look for any. Where that
// fails they stay to be deleted. Call it when
// the ruleset stands in the kernel: sooner, a flow might come back as it was.
func (f *staleFlows) delete(r *rules.Ruleset, portal []netip.Prefix) (looked bool, err error) {
	if f.deleteUDP == nil || len(f.pending) == 0 && !f.all {
		return false, nil
	}
	n, err := f.deleteUDP(func(to, server netip.AddrPort) bool {
		at := rules.Frontend{Addr: to.Addr(), Protocol: registry.UDP, Port: to.Port()}
		resolved := r.Resolve(at)
		rule, ok := r.Lookup(resolved)
		pending := f.has(at) || f.has(resolved)
		orphan := !ok && to != server && contains(portal, to.Addr())
		return (pending || f.all && (ok || orphan)) && !rule.Sends(server)
	})
	f.deleted(n)
	if err == nil {
		f.pending, f.all = nil, false
	}
	return true, err
}

// contains reports whether one of the networks has an address.
func contains(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}
