package services

import (
	"fmt"
	"iter"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcreg/svcreg/bench/kube"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// Spec returns the service's object, as an apiserver has it.
func (s Service) Spec() kube.Object {
	o := kube.Service(s.Service)
	o.Spec.Ports[0].Protocol = corev1.Protocol(s.Protocol)
	return o
}

// Slice returns the object that says what serves.
func (s Service) Slice() kube.Object {
	o := kube.Slice(s.Service)
	o.Ports[0].Protocol = new(corev1.Protocol(s.Protocol))
	return o
}

// Objects yields the objects of all services.
func (f *Fleet) Objects() iter.Seq[kube.Object] {
	return func(yield func(kube.Object) bool) {
		for i := range f.Len() {
			s := f.Service(i)
			if !yield(s.Spec()) || !yield(s.Slice()) {
				return
			}
		}
	}
}

// Snapshot returns the registry that holds the fleet.
func (f *Fleet) Snapshot() (*registry.Snapshot, error) {
	if f.snapshot != nil {
		return f.snapshot, nil
	}
	var objects []registry.Object
	for o := range f.Objects() {
		decoded, err := Decode(o)
		if err != nil {
			return nil, err
		}
		objects = append(objects, decoded)
	}
	f.snapshot = registry.Build(1, objects...)
	return f.snapshot, nil
}

// Decode returns what svcreg reads in an object.
func Decode(o kube.Object) (registry.Object, error) {
	layout, err := codec.NewLayout("")
	if err != nil {
		return nil, err
	}
	ref, ok := layout.Ref(kube.Key(o))
	if !ok {
		return nil, fmt.Errorf("%s is no key of a registry", kube.Key(o))
	}
	value, err := kube.Protobuf(o)
	if err != nil {
		return nil, err
	}
	return codec.Decode(ref, value)
}
