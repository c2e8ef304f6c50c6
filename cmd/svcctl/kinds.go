package main

import (
	"strings"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// resource is a kind as the command line knows it.
type resource struct {
	kind    registry.Kind
	plural  string
	aliases []string // beside the plural and the kind's own name
}

// resources are the kinds in the order in which help texts list them.
var resources = []resource{
	{registry.KindService, "services", []string{"svc"}},
	{registry.KindEndpoints, "endpoints", []string{"ep"}},
	{registry.KindEndpointSlice, "endpointslices", nil},
	{registry.KindPod, "pods", []string{"po"}},
	{registry.KindNode, "nodes", []string{"no", "minions", "minion"}},
	{registry.KindNamespace, "namespaces", []string{"ns"}},
	{registry.KindServiceCIDR, "servicecidrs", nil},
	{registry.KindIPAddress, "ipaddresses", []string{"ip"}},
}

// findResource returns the resource of that name, in any case.
func findResource(name string) (resource, error) {
	var plurals []string
	for _, r := range resources {
		for _, known := range append([]string{r.plural, singular(r.kind)}, r.aliases...) {
			if strings.EqualFold(name, known) {
				return r, nil
			}
		}
		plurals = append(plurals, r.plural)
	}
	return resource{}, usagef("unknown kind %q: want one of %s", name, strings.Join(plurals, ", "))
}

// singular returns a kind's name in lower case.
func singular(k registry.Kind) string { return strings.ToLower(k.String()) }

// handle names an object as every command prints it, such as
// "service/my-ns/my-service".
func handle(r registry.Ref) string {
	return printable(singular(r.Kind) + "/" + r.Key.String())
}

// refOf returns the object of a resource's name in a namespace.
func (r resource) refOf(namespace, name string) registry.Ref {
	key := registry.Key{Namespace: namespace, Name: name}
	if !codec.Namespaced(r.kind) {
		key.Namespace = ""
	}
	return registry.Ref{Kind: r.kind, Key: key}
}

// checkName refuses a name that is a path.
func checkName(what, name string) error {
	if name == "" || strings.ContainsAny(name, "/ ") {
		return usagef("%s %q: want a name", what, name)
	}
	return nil
}
