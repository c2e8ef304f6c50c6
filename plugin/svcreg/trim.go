package svcreg

import "github.com/svcreg/svcreg/registry"

// trim takes out of an object what DNS has no use for, which is most of it.
func (o *options) trim(object registry.Object) {
	meta := object.Metadata()
	meta.UID, meta.APIVersion, meta.Created = "", "", 0
	if text, ok := meta.Annotations[registry.TriggerAnnotation]; ok {
		meta.Annotations = map[string]string{registry.TriggerAnnotation: text}
	} else {
		meta.Annotations = nil
	}
	switch object := object.(type) {
	case *registry.Service:
		if object.Selector != nil {
			object.Selector = map[string]string{}
		}
		object.SourceRanges, object.Conditions = nil, nil
		for i := range object.Ports {
			object.Ports[i].TargetPort, object.Ports[i].NodePort = "", 0
		}
	case *registry.Endpoints:
		o.trimEndpoints(object)
	case *registry.Pod:
		object.Labels, object.Ports = nil, nil
		object.Hostname, object.Subdomain = "", ""
	}
}

// trimEndpoints leaves of each endpoint what it is called, and where it is if
// there are zonal names.
func (o *options) trimEndpoints(object *registry.Endpoints) {
	object.Labels = nil
	for i := range object.Subsets {
		for j := range object.Subsets[i].Endpoints {
			e := &object.Subsets[i].Endpoints[j]
			e.Node = ""
			if !o.endpoints.podNames {
				e.Target = registry.Target{}
			}
			if !o.endpoints.zonal {
				e.Zone = ""
			}
		}
	}
}
