package proxyd

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// staleFlows remembers for which UDP frontends the kernel may know flows to
// endpoints that serve no more, until those are deleted. (Connections of TCP and
// SCTP end when an endpoint does, and begin anew.) It belongs to the goroutine of
// the loop; the kernel's table of flows, which may be large, is read by another,
// so that no change has to wait for that.
type staleFlows struct {
	// deleteUDP is conntrack.DeleteUDP; nil where the kernel is left alone.
	deleteUDP func(stale func(to, server netip.AddrPort) bool) (int, error)
	deleted   func(n int, took time.Duration) // counts

	stale
	// under is what is being deleted right now; the result comes on done.
	under *stale
	done  chan error
}

// stale says which flows are to be looked at.
type stale struct {
	pending map[rules.Frontend]struct{}
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

func (s *stale) add(at rules.Frontend) {
	if s.pending == nil {
		s.pending = map[rules.Frontend]struct{}{}
	}
	s.pending[at] = struct{}{}
}

func (s *stale) has(at rules.Frontend) bool {
	_, ok := s.pending[at]
	return ok
}

// begin begins to make the kernel forget the flows of those frontends that go
// where the ruleset sends nothing, unless that is under way. Call it when the
// ruleset stands in the kernel: sooner, a flow might come back as it was.
func (f *staleFlows) begin(ctx context.Context, r *rules.Ruleset, portal []netip.Prefix) {
	if f.deleteUDP == nil || f.under != nil || len(f.pending) == 0 && !f.all {
		return
	}
	under := f.stale
	f.stale, f.under, f.done = stale{}, &under, make(chan error, 1)
	go func(done chan<- error) {
		start := time.Now()
		n, err := f.deleteUDP(under.matches(r, portal))
		took := time.Since(start)
		f.deleted(n, took)
		select { // the next look comes after a pause as long as this one
		case <-ctx.Done():
		case <-time.After(took):
		}
		done <- err
	}(f.done)
}

// matches returns what tells the flows to be deleted from others.
func (s *stale) matches(r *rules.Ruleset, portal []netip.Prefix) func(to, server netip.AddrPort) bool {
	return func(to, server netip.AddrPort) bool {
		at := rules.Frontend{Addr: to.Addr(), Protocol: registry.UDP, Port: to.Port()}
		resolved := r.Resolve(at)
		rule, ok := r.Lookup(resolved)
		pending := s.has(at) || s.has(resolved)
		orphan := !ok && to != server && contains(portal, to.Addr())
		return (pending || s.all && (ok || orphan)) && !rule.Sends(server)
	}
}

// end takes in what came on done. After an error all that was to be deleted
// still is.
func (f *staleFlows) end(err error) error {
	if err != nil {
		f.all = f.all || f.under.all
		for at := range f.under.pending {
			f.add(at)
		}
		err = fmt.Errorf("delete stale flows: %w", err)
	}
	f.under, f.done = nil, nil
	return err
}

// wait waits until nothing is under way.
func (f *staleFlows) wait() {
	if f.under != nil {
		_ = f.end(<-f.done)
	}
}

// contains reports whether one of the networks has an address.
func contains(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}
