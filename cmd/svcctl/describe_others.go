package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/svcreg/svcreg/proxyd/external"
	"github.com/svcreg/svcreg/registry"
)

// endpoints describes an Endpoints object as it stands, and whether it counts.
func (d *description) endpoints(ref registry.Ref) error {
	e, ok := d.snapshot.Object(ref).(*registry.Endpoints)
	if !ok {
		return fmt.Errorf("%s: not found", ref)
	}
	d.meta(e)
	entry := d.snapshot.Service(ref.Key)
	if entry == nil {
		d.field("Service", "none of that name")
		entry = &registry.Entry{Service: &registry.Service{Meta: registry.Meta{Kind: registry.KindService, Key: ref.Key}}}
	}
	var instead []string
	for slice := range d.snapshot.Slices(ref.Key) {
		instead = append(instead, slice.Name)
	}
	if slices.Sort(instead); instead != nil {
		d.field("Replaced by", "EndpointSlices "+strings.Join(instead, ", "))
	}
	failing := d.failing(ref.Key)
	for i := range e.Subsets {
		subset := &e.Subsets[i]
		var ports []string
		for _, p := range subset.Ports {
			ports = append(ports, portName(registry.Port{Name: p.Name, Protocol: p.Protocol, Port: p.Port}))
		}
		var rows [][]string
		for j := range subset.Endpoints {
			endpoint := &subset.Endpoints[j]
			if endpoint.Host != "" {
				rows = append(rows, []string{endpoint.Host, orText(strings.Join(texts(d.answers(ref.Key)[endpoint.Host]), ", "), "not resolved")})
				continue
			}
			rows = append(rows, []string{endpoint.Addr.String(), d.state(entry, registry.Backend{Endpoint: endpoint}, failing), placeOf(endpoint)})
		}
		d.rows("Endpoints of "+orText(strings.Join(ports, ", "), "no port"), rows)
	}
	for slice := range d.snapshot.Slices(ref.Key) {
		for _, remark := range external.Remarks(slice) {
			d.field("Remark", remark)
		}
	}
	return nil
}

// pod describes a pod, and the services that it serves.
func (d *description) pod(ref registry.Ref) error {
	p := d.snapshot.Pod(ref.Key)
	if p == nil {
		return fmt.Errorf("%s: not found", ref)
	}
	d.meta(p)
	d.field("Status", podStatus(p))
	d.field("IPs", orNone(texts(p.IPs)))
	d.field("Node", p.Node)
	if p.HostIP.IsValid() {
		d.field("Node's IP", p.HostIP.String())
	}
	var ports []string
	for _, c := range p.Ports {
		ports = append(ports, portName(registry.Port{Name: c.Name, Protocol: c.Protocol, Port: c.Port}))
	}
	d.fields("Ports", ports)
	d.field("DNS name", strings.Trim(p.Hostname+"."+p.Subdomain, "."))
	var rows [][]string
	for e := range d.snapshot.Services() {
		if e.Namespace != p.Namespace {
			continue
		}
		if state := d.part(e, p); state != "" {
			rows = append(rows, []string{e.Name, state})
		}
	}
	slices.SortFunc(rows, slices.Compare)
	d.rows("Services", rows)
	for _, remark := range d.refused(p) {
		d.field("Remark", remark)
	}
	return nil
}

// part says what a pod is to a service: "" for nothing.
func (d *description) part(e *registry.Entry, p *registry.Pod) string {
	for _, s := range e.Subsets {
		for i := range s.Endpoints {
			endpoint := &s.Endpoints[i]
			if slices.Contains(p.IPs, endpoint.Addr) {
				return d.state(e, registry.Backend{Endpoint: endpoint}, d.failing(e.Key))
			}
		}
	}
	if !selects(e.Service, p) {
		return ""
	}
	return "selects it, but it isn't among the endpoints"
}

// node describes a node: what runs there, and what it does for all.
func (d *description) node(ref registry.Ref) error {
	n := d.snapshot.Node(ref.Name)
	if n == nil {
		return fmt.Errorf("%s: not found", ref)
	}
	d.meta(n)
	status := readiness(n.Ready)
	if n.Leaving {
		status += ", leaving"
	}
	d.field("Status", status)
	d.field("Addresses", orNone(texts(n.IPs)))
	d.field("Zone", n.Zone)
	var leads []string
	for _, controller := range slices.Sorted(maps.Keys(d.leads)) {
		if strings.EqualFold(d.leads[controller], n.Name) {
			leads = append(leads, controller)
		}
	}
	d.field("Leads", strings.Join(leads, ", "))
	var rows [][]string
	for p := range d.snapshot.Pods() {
		if p.Node == n.Name {
			rows = append(rows, []string{p.Key.String(), podStatus(p), orNone(texts(p.IPs))})
		}
	}
	slices.SortFunc(rows, slices.Compare)
	d.rows("Pods", rows)
	return nil
}

func orText(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
