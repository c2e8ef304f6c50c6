package main

import (
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
