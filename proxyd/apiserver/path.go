package apiserver

import (
	"net/http"
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
	namespace, name string
}

// parsePath reads /api/v1/RESOURCE, /apis/GROUP/v1/RESOURCE, either with
// namespaces/NAMESPACE before the resource, and an object's name after it.
func parsePath(path string) (*target, error) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	group, rest, ok := splitGroup(parts)
	if !ok || slices.Contains(rest, "") {
		return nil, errNoPath()
	}
	t := &target{}
	// "namespaces" begins a path to a namespace's objects, or is the resource.
	if rest[0] == "namespaces" && len(rest) > 2 {
		t.namespace, rest = rest[1], rest[2:]
	}
	if t.resource = find(group, rest[0]); t.resource == nil || t.namespace != "" && !t.namespaced() {
		return nil, errNoPath()
	}
	if len(rest) > 1 {
		t.name = rest[1]
	}
	if t.name != "" && t.namespaced() && t.namespace == "" {
		return nil, errNoPath()
	}
	if len(rest) > 2 {
		return nil, t.errSubresource(rest[2])
	}
	return t, nil
}

// splitGroup takes the group and its version off a path.
func splitGroup(parts []string) (group string, rest []string, ok bool) {
	switch {
	case len(parts) > 2 && parts[0] == "api" && parts[1] == "v1":
		return "", parts[2:], true
	case len(parts) > 3 && parts[0] == "apis" && parts[1] == discoveryv1.GroupName && parts[2] == "v1":
		return discoveryv1.GroupName, parts[3:], true
	}
	return "", nil, false
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
