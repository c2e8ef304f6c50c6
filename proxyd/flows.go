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
		if len(before.Backends) == 0 || slices.ContainsFunc(before.Backends, func(b netip.AddrPort) bool {
			return !slices.Contains(after.Backends, b)
		}) {
			f.add(at)
		}
	}
}

// recompiled adds all UDP frontends of a ruleset that another replaced.
func (f *staleFlows) recompiled(old *rules.Ruleset) {
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

// delete makes the kernel forget the flows of pending frontends that go where
// the ruleset sends nothing; or, in a full sync, those of all frontends and
// those that were translated for a portal IP that no service has. Frontends
// stay pending where that fails. Call it when the ruleset stands in the kernel:
// sooner, a flow might come back as it was.
func (f *staleFlows) delete(r *rules.Ruleset, portal []netip.Prefix, full bool) error {
	if f.deleteUDP == nil || len(f.pending) == 0 && !full {
		return nil
	}
	n, err := f.deleteUDP(func(to, server netip.AddrPort) bool {
		at := rules.Frontend{Addr: to.Addr(), Protocol: registry.UDP, Port: to.Port()}
		rule, ok := r.Lookup(at)
		_, pending := f.pending[at]
		orphan := !ok && to != server && contains(portal, to.Addr())
		return (pending || full && (ok || orphan)) && !slices.Contains(rule.Backends, server)
	})
	f.deleted(n)
	if err == nil {
		f.pending = nil
	}
	return err
}
