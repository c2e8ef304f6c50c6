package kube

import (
	"encoding/json"
	"fmt"
	"path"

	"k8s.io/apimachinery/pkg/runtime"
)

// magic stands before every object that Kubernetes writes as protobuf.
const magic = "k8s\x00"

// Protobuf returns an object as an apiserver stores and sends it.
func Protobuf(o Object) ([]byte, error) {
	raw, err := o.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", Key(o), err)
	}
	version, kind := o.GetObjectKind().GroupVersionKind().ToAPIVersionAndKind()
	return Wrap(version, kind, raw)
}

// Wrap wraps an encoded object in its version and kind.
func Wrap(version, kind string, raw []byte) ([]byte, error) {
	u := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: version, Kind: kind}, Raw: raw}
	value, err := u.Marshal()
	if err != nil {
		return nil, fmt.Errorf("wrap a %s: %w", kind, err)
	}
	return append([]byte(magic), value...), nil
}

// JSON returns an object as an apiserver stores it that was told to store JSON.
func JSON(o Object) ([]byte, error) {
	value, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", Key(o), err)
	}
	return value, nil
}

// prefixes are where an apiserver keeps the kinds in etcd, below /registry.
var prefixes = map[string]string{
	"Namespace":     "namespaces",
	"Service":       "services/specs",
	"EndpointSlice": "endpointslices",
	"Pod":           "pods",
}

// Key returns the etcd key of an object.
func Key(o Object) string {
	return path.Join("/registry", prefixes[o.GetObjectKind().GroupVersionKind().Kind], o.GetNamespace(), o.GetName())
}
