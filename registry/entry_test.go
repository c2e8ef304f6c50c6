package registry

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBackends(t *testing.T) {
	addr := func(last byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, last}) }
	subset := func(ports []EndpointPort, last ...byte) Subset {
		s := Subset{Ports: ports}
		for _, l := range last {
			s.Endpoints = append(s.Endpoints, Endpoint{Addr: addr(l)})
		}
		return s
	}
	tcp := func(name string, port uint16) []EndpointPort { return []EndpointPort{{name, TCP, port}} }
	http := Port{Name: "http", Protocol: TCP, Port: 80}
	unnamed := Port{Protocol: TCP, Port: 80}
	tests := []struct {
		name    string
		ports   []Port
		subsets []Subset
		of      Port
		want    []string
	}{
		{"none", []Port{http}, nil, http, nil},
		{"by name", []Port{http, {Name: "https", Protocol: TCP, Port: 443}}, []Subset{subset([]EndpointPort{{"https", TCP, 8443}, {"http", TCP, 8080}}, 1, 2)}, http, []string{"10.0.0.1:8080", "10.0.0.2:8080"}},
		{"same name, other protocol", []Port{{"dns", UDP, 53, "", 0}}, []Subset{subset([]EndpointPort{{"dns", TCP, 53}}, 1)}, Port{Name: "dns", Protocol: UDP, Port: 53}, nil},
		{"both unnamed", []Port{unnamed}, []Subset{subset(tcp("", 8080), 1)}, unnamed, []string{"10.0.0.1:8080"}},
		{"v1beta1 endpoints of a named port", []Port{http}, []Subset{subset(tcp("", 8080), 1)}, http, []string{"10.0.0.1:8080"}},
		{"unnamed, other protocol", []Port{http}, []Subset{subset([]EndpointPort{{"", UDP, 53}}, 1)}, http, nil},
		{"unnamed of a service with two ports", []Port{http, {Name: "x", Protocol: TCP, Port: 1}}, []Subset{subset(tcp("", 8080), 1)}, http, nil},
		{"other name", []Port{http}, []Subset{subset(tcp("https", 8443), 1)}, http, nil},
		{"each subset has its port", []Port{http}, []Subset{subset(tcp("http", 8080), 1), subset(tcp("http", 9090), 2)}, http, []string{"10.0.0.1:8080", "10.0.0.2:9090"}},
		{"twice in two subsets", []Port{http}, []Subset{subset(tcp("http", 8080), 1, 2), subset(tcp("http", 8080), 2, 3)}, http, []string{"10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"}},
		{"one address, two ports", []Port{http}, []Subset{subset(tcp("http", 8080), 1), subset(tcp("http", 8081), 1)}, http, []string{"10.0.0.1:8080", "10.0.0.1:8081"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := &Entry{&Service{Ports: test.ports}, test.subsets}
			var got []string
			for _, b := range e.Backends(test.of) {
				got = append(got, b.AddrPort().String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// An endpoint that moves between two slices stands in both for a moment.
func TestBackendsReadyInOnePlace(t *testing.T) {
	port := Port{Protocol: TCP, Port: 80}
	ports := []EndpointPort{{"", TCP, 80}}
	addr := netip.MustParseAddr("10.0.0.1")
	for _, readiness := range [][]bool{{false, true}, {true, false}} {
		e := &Entry{Service: &Service{Ports: []Port{port}}}
		for _, ready := range readiness {
			e.Subsets = append(e.Subsets, Subset{Endpoints: []Endpoint{{Addr: addr, Ready: ready}}, Ports: ports})
		}
		if backends := e.Backends(port); len(backends) != 1 || !backends[0].Ready {
			t.Errorf("ready %v: got %v, want one, ready", readiness, backends)
		}
	}
}

func TestBackendsByHost(t *testing.T) {
	port := Port{Protocol: TCP, Port: 80}
	subset := Subset{Endpoints: []Endpoint{{Host: "a.example.org"}, {Host: "b.example.org"}, {Host: "a.example.org"}}, Ports: []EndpointPort{{"", TCP, 80}}}
	backends := (&Entry{&Service{Ports: []Port{port}}, []Subset{subset}}).Backends(port)
	if len(backends) != 2 || backends[0].Host != "a.example.org" || backends[1].Host != "b.example.org" {
		t.Errorf("got %v, want a and b", backends)
	}
	if backends[0].AddrPort().IsValid() {
		t.Error("a host has no address")
	}
}

func TestServes(t *testing.T) {
	ready, unready := &Endpoint{Ready: true}, &Endpoint{}
	strict, lax := &Entry{Service: &Service{}}, &Entry{Service: &Service{PublishNotReady: true}}
	if !strict.Serves(ready) || strict.Serves(unready) || !lax.Serves(unready) {
		t.Error("ready endpoints serve, others only where the service says so")
	}
}

func TestStrings(t *testing.T) {
	for got, want := range map[string]string{
		Ref{KindService, Key{"my-ns", "my-service"}}.String(): "Service my-ns/my-service",
		Ref{KindNode, Key{"", "n1"}}.String():                 "Node n1",
		KindIPAddress.String():                                "IPAddress",
		Kind(0).String():                                      "Kind(0)",
		Kind(99).String():                                     "Kind(99)",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The slices of a service are found by their label, whether it exists or not.
func TestSlices(t *testing.T) {
	slice := func(name, service string) *Endpoints {
		e := &Endpoints{Meta: Meta{Kind: KindEndpointSlice, Key: Key{"my-ns", name}}}
		if service != "" {
			e.Service = Key{"my-ns", service}
		}
		return e
	}
	s := Build(1, slice("a", "web"), slice("b", "web"), slice("c", "other"), slice("d", ""))
	tests := map[string][]string{"web": {"a", "b"}, "other": {"c"}, "none": nil}
	for service, want := range tests {
		var got []string
		for e := range s.Slices(Key{"my-ns", service}) {
			got = append(got, e.Name)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", service, got, want)
		}
	}
}
