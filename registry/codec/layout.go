package codec

import (
	"fmt"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// DefaultPrefix is where an apiserver keeps its registry.
const DefaultPrefix = "/registry"

// Layout is where a registry keeps its objects: the etcd keys under one
// prefix. The zero Layout is not usable; see NewLayout.
type Layout struct {
	prefix string // with a trailing slash
}

// dirs are the places of the kinds below the prefix. Nodes keep the name that
// they had in v1beta1.
var dirs = [...]string{
	registry.KindService:       "services/specs/",
	registry.KindEndpoints:     "services/endpoints/",
	registry.KindEndpointSlice: "endpointslices/",
	registry.KindPod:           "pods/",
	registry.KindNode:          "minions/",
	registry.KindNamespace:     "namespaces/",
	registry.KindServiceCIDR:   "servicecidrs/",
	registry.KindIPAddress:     "ipaddresses/",
}

// NewLayout returns the layout under a prefix such as "/registry", which is
// also what an empty one means. A prefix begins with a slash, has no empty
// parts, and does not end in a slash.
func NewLayout(prefix string) (Layout, error) {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	rest, ok := strings.CutPrefix(prefix, "/")
	for part := range strings.SplitSeq(rest, "/") {
		ok = ok && part != "" && part != "." && part != ".." && !strings.ContainsFunc(part, notInPrefix)
	}
	if !ok {
		return Layout{}, fmt.Errorf("registry prefix %q: want a path such as %q, without a slash at the end", prefix, DefaultPrefix)
	}
	return Layout{prefix + "/"}, nil
}

func notInPrefix(r rune) bool { return r <= ' ' || r >= 0x7f }

// Prefix returns the prefix that the layout was made with, such as
// "/registry".
func (l Layout) Prefix() string { return strings.TrimSuffix(l.prefix, "/") }

// Dir returns what the keys of a kind's objects begin with, with a slash at
// the end.
func (l Layout) Dir(k registry.Kind) string { return l.prefix + dirs[k] }

// Key returns the key of an object.
func (l Layout) Key(r registry.Ref) string {
	if Namespaced(r.Kind) {
		return l.prefix + dirs[r.Kind] + r.Namespace + "/" + r.Name
	}
	return l.prefix + dirs[r.Kind] + r.Name
}

// Ref returns the object that a key holds, or false for a key of something
// else.
func (l Layout) Ref(key string) (registry.Ref, bool) {
	rest, ok := strings.CutPrefix(key, l.prefix)
	if !ok || l.prefix == "" {
		return registry.Ref{}, false
	}
	for i, dir := range dirs {
		if dir == "" || !strings.HasPrefix(rest, dir) {
			continue
		}
		return refIn(registry.Kind(i), rest[len(dir):])
	}
	return registry.Ref{}, false
}

// refIn reads what follows a kind's directory: "name" or "namespace/name".
func refIn(k registry.Kind, path string) (registry.Ref, bool) {
	var key registry.Key
	key.Name = path
	if Namespaced(k) {
		var found bool
		if key.Namespace, key.Name, found = strings.Cut(path, "/"); !found || key.Namespace == "" {
			return registry.Ref{}, false
		}
	}
	if key.Name == "" || strings.Contains(key.Name, "/") {
		return registry.Ref{}, false
	}
	return registry.Ref{Kind: k, Key: key}, true
}

// Namespaced reports whether objects of a kind belong to a namespace.
func Namespaced(k registry.Kind) bool {
	switch k {
	case registry.KindService, registry.KindEndpoints, registry.KindEndpointSlice, registry.KindPod:
		return true
	}
	return false
}
