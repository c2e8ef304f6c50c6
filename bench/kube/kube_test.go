package kube

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// What svcreg reads in a value is what the fleet says, in either encoding.
func TestSvcregReadsTheObjects(t *testing.T) {
	f := fleet.Fleet{Services: 10, Endpoints: 3}
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	for _, encode := range []func(Object) ([]byte, error){Protobuf, JSON} {
		found := map[registry.Kind]int{}
		for _, o := range Objects(f, true) {
			value, err := encode(o)
			if err != nil {
				t.Fatal(err)
			}
			ref, ok := layout.Ref(Key(o))
			if !ok {
				t.Fatalf("%s is no key of a registry", Key(o))
			}
			decoded, err := codec.Decode(ref, value)
			if err != nil {
				t.Fatalf("%s: %v", Key(o), err)
			}
			found[ref.Kind]++
			check(t, f, decoded)
		}
		want := map[registry.Kind]int{registry.KindNamespace: 1, registry.KindService: 10, registry.KindEndpointSlice: 10, registry.KindPod: 30}
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("objects by kind (-want +got):\n%s", diff)
		}
	}
}

func TestUIDsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range Objects(fleet.Fleet{Services: 1000, Endpoints: 1}, true) {
		if id := string(o.GetUID()); seen[id] || len(id) != 36 {
			t.Fatalf("%s: uid %q", Key(o), id)
		} else {
			seen[id] = true
		}
	}
}

// check compares an object with the service of the fleet that it belongs to.
func check(t *testing.T, f fleet.Fleet, o registry.Object) {
	t.Helper()
	switch o := o.(type) {
	case *registry.Service:
		s := serviceNamed(t, f, o.Name)
		if !slices.Equal(o.PortalIPs, s.Portals) || o.Headless != s.Headless || o.Namespace != s.Namespace {
			t.Errorf("%v: portals %v, headless %v", o.Ref(), o.PortalIPs, o.Headless)
		}
		if len(o.Selector) != 1 || len(o.Ports) != 1 || o.Ports[0].Name != fleet.PortName || o.Ports[0].Port != fleet.Port {
			t.Errorf("%v: selector %v, ports %v", o.Ref(), o.Selector, o.Ports)
		}
	case *registry.Pod:
		if len(o.IPs) != 1 || o.Node == "" || !o.Ready {
			t.Errorf("%v: %+v", o.Ref(), o)
		}
	case *registry.Endpoints:
		s := serviceNamed(t, f, o.Service.Name)
		var got []netip.Addr
		for _, e := range o.Subsets[0].Endpoints {
			got = append(got, e.Addr)
			if !e.Ready || e.Node == "" || e.Zone == "" || e.Target.Kind != "Pod" {
				t.Errorf("%v: endpoint %+v", o.Ref(), e)
			}
		}
		if !slices.Equal(got, s.Endpoints) {
			t.Errorf("%v: endpoints %v, want %v", o.Ref(), got, s.Endpoints)
		}
	}
}

func serviceNamed(t *testing.T, f fleet.Fleet, name string) fleet.Service {
	t.Helper()
	for s := range f.All() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no service %q in the fleet", name)
	return fleet.Service{}
}
