package main

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// address traces connections to an address, or to one port of it.
func (t *tracer) address() {
	var known []rules.Frontend
	for rule := range t.rules.Rules() {
		f := rule.Frontend
		if f.IsNodePort() && f.Addr.Is4() == t.target.addr.Is4() && slices.Contains(t.policy.NodeAddrs, t.target.addr) {
			f.Addr = t.target.addr
		}
		if f.Addr == t.target.addr && t.target.wants(rule.PortName, f.Protocol, f.Port) {
			known = append(known, f)
		}
	}
	slices.SortFunc(known, rules.Frontend.Compare)
	for _, f := range slices.Compact(known) {
		rule, _ := t.rules.Lookup(t.rules.Resolve(f))
		t.owner(t.snapshot.Service(rule.Service))
		t.packet(f)
	}
	t.refused(func(r rules.Refusal) bool { return r.Addr == t.target.addr })
	if len(known) == 0 {
		t.nobody()
	}
}

// nobody says that no service has what a connection is to.
func (t *tracer) nobody() {
	what := t.target.addr.String()
	if t.target.number > 0 {
		what = netip.AddrPortFrom(t.target.addr, t.target.number).String()
	}
	t.line("packet", "%s to %s", t.client(), what)
	t.line("why", "%s is no service's", what)
	for _, network := range t.snapshot.PortalNetworks() {
		if network.Contains(t.target.addr) {
			t.line("why", "%v is in the portal network %v", t.target.addr, network)
		}
	}
	if k, ok := t.snapshot.PortalIPHolder(t.target.addr); ok {
		t.line("why", "%v is the portal IP of %v, which has other ports: %s", t.target.addr, k, portList(t.snapshot.Service(k).Ports))
	}
	t.line("fate", "passed")
}

// refused says what services don't get.
func (t *tracer) refused(of func(rules.Refusal) bool) {
	for _, r := range t.rules.Refusals() {
		if of(r) {
			t.line("refused", "%v", r)
		}
	}
}

// client says who connects.
func (t *tracer) client() string {
	switch {
	case t.from.IsValid() && t.node != "":
		return fmt.Sprintf("from %v by way of node %s", t.from, t.node)
	case t.from.IsValid():
		return fmt.Sprintf("from %v", t.from)
	case t.node != "":
		return "from node " + t.node
	}
	return "from a node"
}

// packet traces one connection.
func (t *tracer) packet(to rules.Frontend) {
	from := t.from
	switch {
	case from.IsValid() && from.Is4() != to.Addr.Is4():
		return // nobody connects across families
	case !from.IsValid():
		from = netip.IPv6Loopback()
		if to.Addr.Is4() {
			from = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
	}
	v := rules.Trace(t.rules, from, to)
	t.line("packet", "%s to %v", t.client(), to)
	for _, reason := range v.Reasons {
		t.line("why", "%s", reason)
	}
	t.line("fate", "%v", v)
	e := t.snapshot.Service(v.Rule.Service)
	for _, one := range v.Endpoints(e, t.policy) {
		t.endpoint(&v, one)
	}
}

// endpoint says what an endpoint gets of the connections, or why it gets none.
func (t *tracer) endpoint(v *rules.Verdict, one rules.Standing) {
	at := netip.AddrPortFrom(one.Addr.Unmap(), one.Port)
	text := at.String()
	if !one.Addr.IsValid() {
		text = one.Host
	}
	text += t.place(one.Endpoint) + ": "
	if one.WhyNot != "" {
		t.line("endpoint", "%sgets none, %s", text, one.WhyNot)
		return
	}
	share, sum := 0, 0
	for _, hop := range v.To {
		sum += int(hop.Weight)
		if hop.AddrPort == at {
			share = int(hop.Weight)
		}
	}
	t.line("endpoint", "%sgets %d of %d", text, share, sum)
}

// place says what an endpoint is, and where.
func (t *tracer) place(e *registry.Endpoint) string {
	text := ""
	if e.Target.Name != "" {
		text += " " + e.Target.Name
	}
	if e.Node != "" {
		text += " on " + e.Node
	}
	if e.Zone != "" {
		text += " in " + e.Zone
	}
	return text
}
