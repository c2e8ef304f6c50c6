package main

import (
	"fmt"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"

	podendpoints "github.com/svcreg/svcreg/proxyd/endpoints"
	"github.com/svcreg/svcreg/proxyd/external"
	"github.com/svcreg/svcreg/registry"
)

// lacking says which controllers a service needs that no proxyd runs.
func (d *description) lacking(e *registry.Entry) [][]string {
	var rows [][]string
	lacks := func(controller string, needed bool, what string) {
		if needed && d.leads[controller] == "" {
			rows = append(rows, []string{what + ": at the moment no proxyd runs the controller " + controller})
		}
	}
	lacks("external", external.Wanted(e.Annotations), "endpoints aren't checked")
	lacks("external", d.byName(e.Key), "names aren't resolved")
	lacks(podendpoints.Name, e.Selector != nil && e.Type != registry.ExternalName && d.onlyPods(e.Key), "pods don't become endpoints")
	return rows
}

// byName reports whether a service's Endpoints object has endpoints that are
// given by name.
func (d *description) byName(k registry.Key) bool {
	object, ok := d.snapshot.Object(registry.Ref{Kind: registry.KindEndpoints, Key: k}).(*registry.Endpoints)
	return ok && slices.ContainsFunc(object.Subsets, func(s registry.Subset) bool {
		return slices.ContainsFunc(s.Endpoints, func(e registry.Endpoint) bool { return e.Host != "" })
	})
}

// onlyPods reports whether nobody but the controller endpoints has made a
// service's endpoints: an apiserver's own controllers haven't.
func (d *description) onlyPods(k registry.Key) bool {
	for slice := range d.snapshot.Slices(k) {
		if !podendpoints.Own(slice) && slice.Labels[discoveryv1.LabelManagedBy] != external.ManagedBy {
			return false
		}
	}
	object, ok := d.snapshot.Object(registry.Ref{Kind: registry.KindEndpoints, Key: k}).(*registry.Endpoints)
	return !ok || podendpoints.Own(object)
}

// selects reports whether a service's endpoints are to have a pod.
func selects(s *registry.Service, p *registry.Pod) bool {
	if s.Selector == nil || s.Namespace != p.Namespace {
		return false
	}
	for k, v := range s.Selector {
		if have, ok := p.Labels[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// refused says which addresses of a pod no service may lead to.
func (d *description) refused(p *registry.Pod) []string {
	var remarks []string
	for _, addr := range p.IPs {
		if reason := external.Refused(d.snapshot, addr); reason != "" {
			remarks = append(remarks, fmt.Sprintf("refused: pod %s is %s: %s", p.Name, addr, reason))
		}
	}
	return remarks
}

// refusedPods says which pods a service doesn't lead to for their addresses.
func (d *description) refusedPods(s *registry.Service) [][]string {
	if s.Selector == nil {
		return nil
	}
	var rows [][]string
	for p := range d.snapshot.Pods() {
		if selects(s, p) && !p.Finished {
			for _, remark := range d.refused(p) {
				rows = append(rows, []string{remark})
			}
		}
	}
	slices.SortFunc(rows, slices.Compare)
	return rows
}
