package main

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/svcreg/svcreg/proxyd/external"
	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// service describes a service and who serves it.
func (d *description) service(ref registry.Ref) error {
	e := d.snapshot.Service(ref.Key)
	if e == nil {
		return fmt.Errorf("%s: not found", ref)
	}
	d.meta(e.Service)
	d.addresses(e)
	d.ports(e.Ports)
	d.policy(e)
	check, err := external.DescribeCheck(e.Annotations)
	if err != nil {
		check = err.Error()
	}
	d.field("Health check", check)
	d.serving(e)
	d.names(ref.Key)
	d.rows("Remarks", d.remarks(e))
	d.happened(e.Service)
	return nil
}

// addresses writes where clients find a service.
func (d *description) addresses(e *registry.Entry) {
	d.field("Type", string(e.Type))
	d.field("Selector", selectorText(e.Service))
	d.field("External name", e.ExternalName)
	d.field("Portal IPs", portalIP(e.Service))
	d.field("Public IPs", strings.Join(texts(e.PublicIPs), ", "))
	d.field("Load balancer", strings.Join(texts(e.LoadBalancerIPs), ", "))
	d.field("Source ranges", strings.Join(texts(e.SourceRanges), ", "))
}

// selectorText says who serves a service; "" for endpoints made by hand.
func selectorText(s *registry.Service) string {
	if s.Selector == nil {
		return ""
	}
	return selector(s)
}

func (d *description) ports(ports []registry.Port) {
	var list []string
	for _, p := range ports {
		text := portName(p)
		if p.TargetPort != "" && p.TargetPort != registry.FirstPort {
			text += ", target port " + p.TargetPort
		}
		if p.NodePort != 0 {
			text += ", node port " + strconv.Itoa(int(p.NodePort))
		}
		list = append(list, text)
	}
	d.fields("Ports", list)
}

// portName returns "80/TCP (http)".
func portName(p registry.Port) string {
	text := fmt.Sprintf("%d/%s", p.Port, p.Protocol)
	if p.Name != "" {
		text += " (" + p.Name + ")"
	}
	return text
}

// policy writes how a service's endpoints are chosen, where it isn't as usual.
func (d *description) policy(e *registry.Entry) {
	if e.AffinityTimeout > 0 {
		d.field("Affinity", "clients stay with their endpoint for "+e.AffinityTimeout.String())
	}
	if e.InternalLocal {
		d.field("Inside traffic", "to endpoints of the same node only")
	}
	if e.ExternalLocal {
		d.field("Outside traffic", "to endpoints of the same node only")
	}
	d.field("Distribution", e.TrafficDistribution)
	if e.PublishNotReady {
		d.field("Not ready", "counts as ready")
	}
}

// serving writes the endpoints of each port.
func (d *description) serving(e *registry.Entry) {
	if e.IsAlias() && len(e.Subsets) == 0 {
		return
	}
	failing := d.failing(e.Key)
	for _, p := range e.Ports {
		var rows [][]string
		for _, b := range e.Backends(p) {
			at := net.JoinHostPort(cmp.Or(b.Host, b.Addr.String()), strconv.Itoa(int(b.Port)))
			if b.Host != "" && len(d.answers(e.Key)[b.Host]) > 0 {
				continue // its addresses stand here themselves
			}
			rows = append(rows, []string{at, d.state(e, b, failing), placeOf(b.Endpoint)})
		}
		d.rows("Endpoints of "+portName(p), rows)
	}
	if len(e.Ports) == 0 {
		var rows [][]string
		for _, s := range e.Subsets {
			for i := range s.Endpoints {
				b := registry.Backend{Endpoint: &s.Endpoints[i]}
				rows = append(rows, []string{cmp.Or(b.Host, b.Addr.String()), d.state(e, b, failing), placeOf(b.Endpoint)})
			}
		}
		d.rows("Endpoints", rows)
	}
}

// placeOf says what an endpoint is, and where.
func placeOf(e *registry.Endpoint) string { return strings.TrimSpace((*tracer)(nil).place(e)) }

// state says whether an endpoint gets connections, or why it doesn't.
func (d *description) state(e *registry.Entry, b registry.Backend, failing map[netip.Addr]string) string {
	reason, refused := failing[b.Addr.Unmap()], external.Refused(d.snapshot, b.Addr)
	switch {
	case !b.Addr.IsValid():
		return "not resolved"
	case refused != "":
		return "refused: " + refused
	case b.Terminating:
		return "terminating"
	case !b.Ready && reason != "":
		return "not ready: " + reason
	case !b.Ready && e.PublishNotReady:
		return "not ready, but counts as ready"
	case !b.Ready:
		return "not ready"
	case reason != "":
		return "ready, though failing: " + reason
	}
	return "ready"
}

// failing returns why endpoints fail their checks.
func (d *description) failing(k registry.Key) map[netip.Addr]string {
	all := map[netip.Addr]string{}
	for slice := range d.snapshot.Slices(k) {
		maps.Insert(all, external.Failing(slice))
	}
	return all
}

// answers returns the DNS names of a service's endpoints, and their addresses.
func (d *description) answers(k registry.Key) map[string][]netip.Addr {
	all := map[string][]netip.Addr{}
	for slice := range d.snapshot.Slices(k) {
		maps.Copy(all, external.Names(slice))
	}
	return all
}

func (d *description) names(k registry.Key) {
	answers := d.answers(k)
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(answers)) {
		rows = append(rows, []string{name, strings.Join(texts(answers[name]), ", ")})
	}
	if rows != nil {
		d.rows("Names", rows)
	}
}

// remarks collects what controllers say of a service, and what it asks for and
// doesn't get.
func (d *description) remarks(e *registry.Entry) [][]string {
	var rows [][]string
	for slice := range d.snapshot.Slices(e.Key) {
		for _, remark := range external.Remarks(slice) {
			rows = append(rows, []string{remark})
		}
	}
	rows = append(append(rows, d.lacking(e)...), d.refusedPods(e.Service)...)
	everywhere := []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	for _, r := range rules.Compile(d.snapshot, rules.Policy{NodePorts: true, PublicRanges: everywhere, Pools: d.pools}).Refusals() {
		if r.Service == e.Key {
			rows = append(rows, []string{"refused: " + strings.TrimPrefix(r.String(), e.Key.String()+": ")})
		}
	}
	if note, ok := d.notes[e.Key.String()]; ok {
		rows = append(rows, []string{"load balancer: " + note.Problem})
	}
	return rows
}
