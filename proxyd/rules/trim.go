package rules

import "github.com/svcreg/svcreg/registry"

// Trim takes out of an object what makes no difference to the rules of a node,
// which is most of it: so a registry takes less memory. When a change began
// stays. Node is the node's name; zone is its zone, empty where that may become
// any.
func Trim(o registry.Object, node, zone string) {
	meta := o.Metadata()
	annotations := meta.Annotations
	meta.UID, meta.Created, meta.APIVersion, meta.Labels, meta.Annotations = "", 0, "", nil, nil
	switch o := o.(type) {
	case *registry.Service:
		meta.Annotations = only(annotations, WeightsAnnotation)
		trimService(o)
	case *registry.Endpoints:
		meta.Annotations = only(annotations, registry.TriggerAnnotation)
		for i := range o.Subsets {
			for j := range o.Subsets[i].Endpoints {
				trimEndpoint(&o.Subsets[i].Endpoints[j], node, zone)
			}
		}
	case *registry.Node:
		if o.IPs = nil; o.Name != node {
			o.Zone = ""
		}
	}
}

// only returns one of some annotations, if it is among them.
func only(annotations map[string]string, name string) map[string]string {
	if text, ok := annotations[name]; ok {
		return map[string]string{name: text}
	}
	return nil
}

func trimService(s *registry.Service) {
	if s.Headless || s.IsAlias() {
		*s = registry.Service{Meta: s.Meta, Type: s.Type, Headless: s.Headless}
		return
	}
	s.Selector, s.ExternalName = nil, ""
	for i := range s.Ports {
		s.Ports[i].TargetPort = ""
	}
}

// trimEndpoint leaves what an endpoint is called, as weights may name it and the
// proxy path asks outside hosts by their names, and where it is if that is here.
func trimEndpoint(e *registry.Endpoint, node, zone string) {
	e.Host = ""
	e.Target.Namespace = ""
	if e.Target.Kind != registry.TargetHost {
		e.Target.Kind = ""
	}
	if e.Node != node {
		e.Node = ""
	}
	if zone != "" && e.Zone != zone {
		e.Zone = ""
	}
}
