package apiserver_test

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/proxyd/apiserver"
	"github.com/svcreg/svcreg/registry"
)

// A port of a slice that has no name has an empty one in the API: kubectl
// describe ends in a panic where it is null.
func TestSlicePortsHaveNames(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	plain := service("my-ns", "plain", 80)
	f.apply(registry.Put(plain), registry.Put(&registry.Endpoints{
		Meta:    registry.Meta{Kind: registry.KindEndpointSlice, Key: registry.Key{Namespace: "my-ns", Name: "plain-1"}},
		Service: plain.Key,
		Subsets: []registry.Subset{{
			Ports:     []registry.EndpointPort{{Protocol: registry.TCP, Port: 8080}},
			Endpoints: []registry.Endpoint{{Addr: netip.MustParseAddr("10.1.0.1"), Ready: true}},
		}},
	}))
	server := httptest.NewServer(f)
	defer server.Close()
	if got := kubectl(t, server, "get", "endpointslice", "-n", "my-ns", "plain-1", "-o", "jsonpath={.ports}"); !strings.Contains(got, `"name":""`) || !strings.Contains(got, `"protocol":"TCP"`) {
		t.Error(got)
	}
	if got := kubectl(t, server, "describe", "svc", "-n", "my-ns", "plain"); !strings.Contains(got, "80/TCP") || strings.Contains(got, "panic") {
		t.Error(got)
	}
}
