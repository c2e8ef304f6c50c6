package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// tracer writes down where connections go, a fact a line.
type tracer struct {
	*traceQuery
	snapshot *registry.Snapshot
	rules    *rules.Ruleset
	text     strings.Builder
}

func (t *tracer) line(label, format string, args ...any) {
	fmt.Fprintf(&t.text, "%-9s %s\n", label, printable(fmt.Sprintf(format, args...)))
}

func (t *tracer) trace() error {
	if t.target.addr.IsValid() {
		t.address()
		return nil
	}
	e := t.snapshot.Service(t.target.service)
	if e == nil {
		return fmt.Errorf("%v: not found", registry.Ref{Kind: registry.KindService, Key: t.target.service})
	}
	return t.service(e)
}

// service traces connections to a service's name.
func (t *tracer) service(e *registry.Entry) error {
	wanted := func(p registry.Port) bool { return t.target.wants(p.Name, p.Protocol, p.Port) }
	if len(e.Ports) > 0 && !slices.ContainsFunc(e.Ports, wanted) {
		return fmt.Errorf("%v: no such port; there are %s", e.Ref(), portList(e.Ports))
	}
	name := fmt.Sprintf("%s.%s.svc.%s", e.Name, e.Namespace, strings.Trim(t.zone, "."))
	t.line("name", "%s", name)
	if err := t.records(e, name); err != nil {
		return err
	}
	t.owner(e)
	var others []rules.Rule
	for rule := range t.rules.Rules() {
		switch {
		case rule.Service != e.Key || !t.target.wants(rule.PortName, rule.Protocol, numberOf(e, &rule)):
		case rule.External:
			others = append(others, rule)
		default:
			t.packet(rule.Frontend)
		}
	}
	for _, rule := range others {
		t.line("also", "%v", rule)
	}
	t.refused(func(r rules.Refusal) bool { return r.Service == e.Key })
	if e.Headless || e.IsAlias() {
		t.line("fate", "clients connect to what the name stands for, past all rules")
	}
	return nil
}

// numberOf returns the number of the service's port that a rule is for.
func numberOf(e *registry.Entry, rule *rules.Rule) uint16 {
	for _, p := range e.Ports {
		if rule.IsNodePort() && p.NodePort == rule.Port && p.Protocol == rule.Protocol {
			return p.Port
		}
	}
	return rule.Port
}

func portList(ports []registry.Port) string {
	var all []string
	for _, p := range ports {
		text := fmt.Sprintf("%d/%s", p.Port, p.Protocol)
		if p.Name != "" {
			text += " (" + p.Name + ")"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// owner says whose frontends are being traced.
func (t *tracer) owner(e *registry.Entry) {
	text := e.Key.String() + ", " + string(e.Type)
	for _, fact := range []struct {
		holds bool
		text  string
	}{
		{e.Headless, "headless"},
		{e.InternalLocal, "internalTrafficPolicy Local"},
		{e.ExternalLocal, "externalTrafficPolicy Local"},
		{e.TrafficDistribution != "", "trafficDistribution " + e.TrafficDistribution},
		{e.AffinityTimeout > 0, fmt.Sprintf("affinity %v", e.AffinityTimeout)},
		{e.PublishNotReady, "publishNotReadyAddresses"},
		{e.Annotations[rules.WeightsAnnotation] != "", "weights " + e.Annotations[rules.WeightsAnnotation]},
	} {
		if fact.holds {
			text += ", " + fact.text
		}
	}
	t.line("service", "%s", text)
}

// records says what the name stands for in DNS.
func (t *tracer) records(e *registry.Entry, name string) error {
	if e.IsAlias() {
		t.line("record", "CNAME %s", e.ExternalName)
		return nil
	}
	labels, addrs := []string{""}, e.PortalIPs
	if e.Headless {
		labels, addrs = t.endpoints(e)
	}
	if t.target.endpoint != "" && (!e.Headless || len(labels) == 0) {
		return fmt.Errorf("%v: no endpoint has the name %q", e.Ref(), t.target.endpoint)
	}
	for _, p := range e.Ports {
		for _, label := range labels {
			if t.target.srv && t.target.wants(p.Name, p.Protocol, p.Port) {
				t.line("record", "SRV %d %s%s", p.Port, label, name)
			}
		}
	}
	for _, addr := range addrs {
		if addr = addr.Unmap(); addr.Is4() {
			t.line("record", "A %v", addr)
		} else {
			t.line("record", "AAAA %v", addr)
		}
	}
	return nil
}

// endpoints returns the labels of a headless service's endpoints, with a dot,
// and their addresses; only those of the one that was asked for.
func (t *tracer) endpoints(e *registry.Entry) (labels []string, addrs []netip.Addr) {
	for _, subset := range e.Subsets {
		for i := range subset.Endpoints {
			one := &subset.Endpoints[i]
			if e.Serves(one) && one.Addr.IsValid() && (t.target.endpoint == "" || t.target.endpoint == label(one)) {
				labels, addrs = append(labels, label(one)+"."), append(addrs, one.Addr)
			}
		}
	}
	return labels, addrs
}

// label returns the label of a headless service's endpoint.
func label(e *registry.Endpoint) string {
	if e.Hostname != "" {
		return strings.ToLower(e.Hostname)
	}
	return strings.NewReplacer(".", "-", ":", "-").Replace(e.Addr.Unmap().String())
}
