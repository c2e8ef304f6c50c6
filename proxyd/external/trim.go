package external

import (
	"net/netip"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcreg/svcreg/registry"
)

// trim takes out of an object all but what says whether its service concerns
// this package: whether there are checks, endpoints given by name, those at
// addresses that are refused, and our condition. Services that do are read in
// full when something about them changes.
func trim(o registry.Object, refused func(netip.Addr) bool) {
	meta := o.Metadata()
	labels, annotations := meta.Labels, meta.Annotations
	meta.UID, meta.Created, meta.APIVersion, meta.Labels, meta.Annotations = "", 0, "", nil, nil
	switch o := o.(type) {
	case *registry.Service:
		if Wanted(annotations) {
			meta.Annotations = map[string]string{CheckAnnotation: ""}
		}
		ports := o.Ports
		if o.Type != registry.ExternalName {
			ports = nil
		}
		*o = registry.Service{Meta: o.Meta, Type: o.Type, PortalIPs: o.PortalIPs, ExternalName: o.ExternalName, Ports: ports, Conditions: ours(o.Conditions)}
	case *registry.Endpoints:
		manager := labels[discoveryv1.LabelManagedBy]
		if manager == ManagedBy {
			meta.Labels = map[string]string{discoveryv1.LabelManagedBy: ManagedBy}
		}
		if manager == SelectedBy {
			refused = func(netip.Addr) bool { return false } // its controller has said so
		}
		o.Subsets = notable(o.Subsets, refused)
	}
}

// notable returns the endpoints that are given by name, and those at addresses
// that are refused; nil if there is none.
func notable(subsets []registry.Subset, refused func(netip.Addr) bool) []registry.Subset {
	var found []registry.Endpoint
	for _, s := range subsets {
		for _, e := range s.Endpoints {
			if e.Host != "" || refused(e.Addr) {
				found = append(found, registry.Endpoint{Host: e.Host, Addr: e.Addr})
			}
		}
	}
	if found == nil {
		return nil
	}
	return []registry.Subset{{Endpoints: found}}
}

// hosts returns the DNS names that a service stands for.
func hosts(s *registry.Snapshot, k registry.Key) []string {
	var names []string
	if service := s.Spec(k); service != nil && service.ExternalName != "" {
		names = append(names, service.ExternalName)
	}
	add := func(subsets []registry.Subset) {
		for _, s := range subsets {
			for _, e := range s.Endpoints {
				if e.Host != "" {
					names = append(names, e.Host)
				}
			}
		}
	}
	if endpoints, ok := s.Object(registry.Ref{Kind: registry.KindEndpoints, Key: k}).(*registry.Endpoints); ok {
		add(endpoints.Subsets)
	}
	for slice := range s.Slices(k) {
		add(slice.Subsets)
	}
	return names
}

// own reports whether a slice is one of this package's.
func own(slice *registry.Endpoints) bool {
	return slice.Labels[discoveryv1.LabelManagedBy] == ManagedBy
}

// canServe reports whether a service may have endpoints. One of type
// ExternalName does if it says on which ports.
func canServe(s *registry.Service) bool {
	return s.Type != registry.ExternalName || s.ExternalName != "" && len(s.Ports) > 0
}

// concerns reports whether a service has anything to be looked after, a slice
// of ours that may have to go, or a condition that may have to change.
func concerns(s *registry.Snapshot, k registry.Key) bool {
	service := s.Spec(k)
	if service != nil && service.Conditions != nil {
		return true
	}
	served := service != nil && canServe(service)
	for slice := range s.Slices(k) {
		if own(slice) || served && slice.Subsets != nil {
			return true
		}
	}
	if !served || service.Type == registry.ExternalName {
		return served
	}
	endpoints, ok := s.Object(registry.Ref{Kind: registry.KindEndpoints, Key: k}).(*registry.Endpoints)
	return service.Annotations != nil || ok && endpoints.Subsets != nil
}
