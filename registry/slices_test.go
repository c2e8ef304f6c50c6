package registry_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

func TestSliceKeys(t *testing.T) {
	web := registry.Key{Namespace: "my-ns", Name: "web"}
	slice := func(name string, service registry.Key) *registry.Endpoints {
		k := registry.Key{Namespace: "my-ns", Name: name}
		return &registry.Endpoints{Meta: registry.Meta{Kind: registry.KindEndpointSlice, Key: k}, Service: service}
	}
	s := registry.Build(1, slice("b", web), slice("a", web), slice("none", registry.Key{}))
	want := []registry.Key{{Namespace: "my-ns", Name: "a"}, {Namespace: "my-ns", Name: "b"}}
	if diff := cmp.Diff(want, slices.SortedFunc(s.SliceKeys(web), registry.Key.Compare)); diff != "" {
		t.Errorf("slices of %s (-want +got):\n%s", web, diff)
	}
	if got := slices.Collect(s.SliceKeys(registry.Key{Name: "other"})); got != nil {
		t.Errorf("slices of a service without any: %v", got)
	}
}
