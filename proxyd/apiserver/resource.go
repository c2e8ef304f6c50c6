package apiserver

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// object is an object of today's API.
type object interface {
	metav1.Object
	GetObjectKind() schema.ObjectKind
}

// resource is one kind of objects as the API serves it.
type resource struct {
	kind           registry.Kind
	group          string // "" for the core group
	name, singular string
	short          []string
	make           func() object
	columns        []metav1.TableColumnDefinition
	cells          func(registry.Object) []any
	fields         func(registry.Object) map[string]string
}

// resources are all that is served, in the order in which kubectl lists them.
var resources = []*resource{
	{
		kind: registry.KindEndpoints, name: "endpoints", singular: "endpoints", short: []string{"ep"},
		make:    func() object { return &corev1.Endpoints{} },
		columns: columns("Endpoints", "Age"), cells: endpointsCells, fields: noFields,
	},
	{
		kind: registry.KindNamespace, name: "namespaces", singular: "namespace", short: []string{"ns"},
		make:    func() object { return &corev1.Namespace{} },
		columns: columns("Status", "Age"), cells: namespaceCells, fields: namespaceFields,
	},
	{
		kind: registry.KindNode, name: "nodes", singular: "node", short: []string{"no"},
		make:    func() object { return &corev1.Node{} },
		columns: nodeColumns, cells: nodeCells, fields: noFields,
	},
	{
		kind: registry.KindPod, name: "pods", singular: "pod", short: []string{"po"},
		make:    func() object { return &corev1.Pod{} },
		columns: podColumns, cells: podCells, fields: podFields,
	},
	{
		kind: registry.KindService, name: "services", singular: "service", short: []string{"svc"},
		make:    func() object { return &corev1.Service{} },
		columns: serviceColumns, cells: serviceCells, fields: serviceFields,
	},
	{
		kind: registry.KindEndpointSlice, group: discoveryv1.GroupName, name: "endpointslices", singular: "endpointslice",
		make:    func() object { return &discoveryv1.EndpointSlice{} },
		columns: columns("AddressType", "Ports", "Endpoints", "Age"), cells: sliceCells, fields: noFields,
	},
}

// find returns the resource of that name, or nil.
func find(group, name string) *resource {
	for _, r := range resources {
		if r.group == group && r.name == name {
			return r
		}
	}
	return nil
}

// namespaced reports whether the objects belong to namespaces.
func (r *resource) namespaced() bool { return codec.Namespaced(r.kind) }

// groupVersion returns where the API has the resource, such as "v1".
func (r *resource) groupVersion() string {
	return schema.GroupVersion{Group: r.group, Version: "v1"}.String()
}

// groupVersionKind says what an object of the resource is.
func (r *resource) groupVersionKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: r.group, Version: "v1", Kind: r.kind.String()}
}

// groupResource names the resource in messages.
func (r *resource) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: r.group, Resource: r.name}
}
