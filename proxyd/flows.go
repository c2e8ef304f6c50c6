package proxyd

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/svcreg/svcreg/proxyd/conntrack"
	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// staleFlows remembers which UDP flows that the kernel may know lead to endpoints
// that serve no more, until those are deleted. (Connections of TCP and SCTP end
// when an endpoint does, and begin anew.) It belongs to the goroutine of the
// loop; the kernel's table of flows, which may be large, is looked at by another,
// so that no change has to wait for that.
type staleFlows struct {
	// deleteUDP and close are a conntrack.Table's; nil where the kernel is left
	// alone.
	deleteUDP func(conntrack.Stale) error
	close     func()
	took      func(start time.Time) // counts

	stale
	// under is what is being deleted right now; the result comes on done.
	under *stale
	done  chan error
}

// stale says which flows are to be looked at.
type stale struct {
	// flows are stale, if they still lead where nobody serves.
	flows map[conntrack.Flow]struct{}
	// pending are the frontends of which any flow may be stale.
	pending map[rules.Frontend]struct{}
	// all says that every frontend is to be looked at, and what was
	// translated for portal IPs that no service has.
	all bool
}

// note adds the flows to endpoints that the changed frontends have no more, and
// of those that had no endpoint at all: flows from that time are not translated.
func (f *staleFlows) note(old, now *rules.Ruleset, changed []rules.Frontend) {
	for _, at := range changed {
		if at.Protocol != registry.UDP {
			continue
		}
		before, _ := old.Lookup(at)
		after, _ := now.Lookup(at)
		f.lost(at, before.Target, &after)
		if before.Outside != nil {
			f.lost(at, *before.Outside, &after)
		}
	}
}

// lost adds the flows of a frontend that went to a target, and may be where a
// rule sends nothing. A node port has several addresses.
func (s *stale) lost(at rules.Frontend, before rules.Target, after *rules.Rule) {
	to := netip.AddrPortFrom(at.Addr, at.Port)
	gone := []netip.AddrPort{to}
	if len(before.Backends) > 0 {
		gone = gone[:0]
	}
	for _, b := range before.Backends {
		if !after.Sends(b.AddrPort) {
			gone = append(gone, b.AddrPort)
		}
	}
	for _, server := range gone {
		if at.IsNodePort() {
			s.add(at)
		} else {
			s.addFlow(conntrack.Flow{To: to, Server: server})
		}
	}
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

func (s *stale) addFlow(f conntrack.Flow) {
	if s.flows == nil {
		s.flows = map[conntrack.Flow]struct{}{}
	}
	s.flows[f] = struct{}{}
}

func (s *stale) empty() bool { return len(s.flows) == 0 && len(s.pending) == 0 && !s.all }

// begin begins to make the kernel forget the flows of those frontends that go
// where the ruleset sends nothing, unless that is under way. Call it when the
// ruleset stands in the kernel: sooner, a flow might come back as it was.
func (f *staleFlows) begin(ctx context.Context, r *rules.Ruleset, portal []netip.Prefix) {
	if f.deleteUDP == nil || f.under != nil || f.empty() {
		return
	}
	under := f.stale
	f.stale, f.under, f.done = stale{}, &under, make(chan error, 1)
	go func(done chan<- error) {
		start := time.Now()
		err := f.deleteUDP(under.among(r, portal))
		f.took(start)
		select { // the next look comes after a pause as long as this one
		case <-ctx.Done():
		case <-time.After(time.Since(start)):
		}
		done <- err
	}(f.done)
}

// among returns which flows are stale where a ruleset stands.
func (s *stale) among(r *rules.Ruleset, portal []netip.Prefix) conntrack.Stale {
	is := func(f conntrack.Flow) bool {
		at := rules.Frontend{Addr: f.To.Addr(), Protocol: registry.UDP, Port: f.To.Port()}
		resolved := r.Resolve(at)
		rule, ok := r.Lookup(resolved)
		orphan := !ok && f.To != f.Server && contains(portal, f.To.Addr())
		return (s.has(f, at, resolved) || s.all && (ok || orphan)) && !rule.Sends(f.Server)
	}
	if s.all || len(s.pending) > 0 {
		return conntrack.Stale{Is: is}
	}
	only := slices.DeleteFunc(slices.Collect(maps.Keys(s.flows)), func(f conntrack.Flow) bool { return !is(f) })
	return conntrack.Stale{Is: is, Only: only}
}

// has reports whether a flow to one of the frontends is to be looked at.
func (s *stale) has(f conntrack.Flow, at ...rules.Frontend) bool {
	if _, ok := s.flows[f]; ok {
		return true
	}
	return slices.ContainsFunc(at, func(at rules.Frontend) bool {
		_, ok := s.pending[at]
		return ok
	})
}

// end takes in what came on done. After an error all that was to be deleted
// still is.
func (f *staleFlows) end(err error) error {
	if err != nil {
		f.all = f.all || f.under.all
		for at := range f.under.pending {
			f.add(at)
		}
		for flow := range f.under.flows {
			f.addFlow(flow)
		}
		err = fmt.Errorf("delete stale flows: %w", err)
	}
	f.under, f.done = nil, nil
	return err
}

// wait waits until nothing is under way, and closes what is open.
func (f *staleFlows) wait() {
	if f.under != nil {
		_ = f.end(<-f.done)
	}
	if f.close != nil {
		f.close()
	}
}

// contains reports whether one of the networks has an address.
func contains(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}
