package apiserver

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/registry"
)

// target is what a path leads to: a resource, or one object of it if there is
// a name.
type target struct {
	*resource
	version         string // of the API
	namespace, name string
}

// parsePath reads the path of an object or of all of a resource:
//
//	/api/v1/[namespaces/NAMESPACE/]RESOURCE[/NAME]       and v1beta3
//	/apis/GROUP/v1/[namespaces/NAMESPACE/]RESOURCE[/NAME]
//	/api/v1beta1/[ns/NAMESPACE/]RESOURCE[/NAME]          and v1beta2
//
// The last can have the namespace in the query instead.
func parsePath(path string, query url.Values) (*target, error) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	group, version, rest := splitGroup(parts)
	if len(rest) == 0 || slices.Contains(rest, "") {
		return nil, errNoPath()
	}
	t := &target{version: version}
	// "namespaces" begins a path to a namespace's objects, or is the resource.
	if scope := scopeIn(version); rest[0] == scope && len(rest) > 2 {
		t.namespace, rest = rest[1], rest[2:]
	}
	if t.resource = find(group, resourceIn(version, rest[0])); t.resource == nil || t.namespace != "" && !t.namespaced() {
		return nil, errNoPath()
	}
	if len(rest) > 1 {
		t.name = rest[1]
	}
	if isFlat(version) && t.namespaced() && t.namespace == "" {
		t.namespace = namespaceIn(query, t.name)
	}
	if t.name != "" && t.namespaced() && t.namespace == "" {
		return nil, errNoPath()
	}
	if len(rest) > 2 {
		return nil, t.errSubresource(rest[2])
	}
	return t, nil
}

// splitGroup takes the group and its version off a path. Nothing is left of a
// path that isn't one of the API's.
func splitGroup(parts []string) (group, version string, rest []string) {
	switch {
	case len(parts) > 2 && parts[0] == "api" && slices.Contains([]string{"v1", v1beta3, v1beta2, v1beta1}, parts[1]):
		return "", parts[1], parts[2:]
	case len(parts) > 3 && parts[0] == "apis" && parts[1] == discoveryv1.GroupName && parts[2] == "v1":
		return discoveryv1.GroupName, "v1", parts[3:]
	}
	return "", "", nil
}

// scopeIn returns what comes before a namespace in a path.
func scopeIn(version string) string {
	if isFlat(version) {
		return "ns"
	}
	return "namespaces"
}

// resourceIn returns today's name of a resource.
func resourceIn(version, name string) string {
	if isFlat(version) && name == "minions" {
		return "nodes"
	}
	return name
}

// namespaceIn returns the namespace that a path of the flat versions has in
// its query: for one object the default one, and for a list all of them, if
// there is none.
func namespaceIn(query url.Values, name string) string {
	if name == "" {
		return query.Get("namespace")
	}
	return cmp.Or(query.Get("namespace"), "default")
}

// errSubresource tells what belongs to kubelets from what doesn't exist.
func (t *target) errSubresource(name string) error {
	kubelets := []string{"attach", "exec", "log", "portforward", "ephemeralcontainers", "eviction"}
	if t.kind != registry.KindPod || !slices.Contains(kubelets, name) {
		return errNoPath()
	}
	return &statusError{metav1.Status{
		Code: http.StatusNotImplemented, Reason: metav1.StatusReasonMethodNotAllowed,
		Message: "svcreg has no kubelets: " + name + " is out of reach",
	}}
}
