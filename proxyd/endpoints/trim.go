package endpoints

import (
	"github.com/svcreg/svcreg/proxyd/external"
	"github.com/svcreg/svcreg/registry"
)

// kinds are what the controller follows.
var kinds = []registry.Kind{
	registry.KindService, registry.KindEndpoints, registry.KindEndpointSlice, registry.KindPod, registry.KindNode,
	registry.KindServiceCIDR,
}

// trim takes out of an object what the controller has no use for: of what
// belongs to others everything but that it is there, and what the controller
// external says of checks.
func trim(o registry.Object) {
	if e, ok := o.(*registry.Endpoints); ok && Own(e) {
		return
	}
	meta := o.Metadata()
	annotations := meta.Annotations
	meta.UID, meta.Created, meta.APIVersion, meta.Annotations = "", 0, "", nil
	switch o := o.(type) {
	case *registry.Service:
		if external.Wanted(annotations) {
			meta.Annotations = map[string]string{external.CheckAnnotation: annotations[external.CheckAnnotation]}
		}
		o.SourceRanges, o.ExternalName, o.TrafficDistribution, o.Conditions = nil, "", "", nil
	case *registry.Endpoints:
		if text, ok := annotations[external.FailingAnnotation]; ok {
			meta.Annotations = map[string]string{external.FailingAnnotation: text}
		}
		meta.Labels, o.Subsets = nil, nil
	case *registry.Node:
		meta.Labels, o.IPs = nil, nil
	}
}

// Own reports whether an object is one that the controller made.
func Own(e *registry.Endpoints) bool {
	if e.Kind == registry.KindEndpoints {
		return mirrored(e)
	}
	return e.Labels[managedByLabel] == Manager
}

// samePod reports whether two states of a pod are the same for every service.
// Either may be nil.
func samePod(a, b *registry.Pod) bool {
	if a == nil || b == nil {
		return a == b
	}
	return packed(a) == packed(b)
}

// packed returns a pod's record without when it was written.
func packed(p *registry.Pod) string {
	bare := *p
	bare.CreateRevision, bare.ModRevision = 0, 0
	return registry.Pack(&bare).Data()
}
