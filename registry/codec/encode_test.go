package codec

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/svcreg/svcreg/registry"
)

// ignoreVersion is for objects that were written anew, in today's version.
var ignoreVersion = cmp.Options{ignoreEncoding, cmpopts.IgnoreFields(registry.Meta{}, "APIVersion")}

// What is encoded decodes to the same object, for all that Kubernetes' own
// files and the older versions can say.
func TestEncodeDecode(t *testing.T) {
	for _, f := range kubernetesFiles(t) {
		o, err := Decode(f.ref, fillingOf(f).text(f.read(t, "json")))
		if err != nil {
			t.Fatal(err)
		}
		if diff := roundTrip(o); diff != "" {
			t.Errorf("%s (-want +got):\n%s", f.name(), diff)
		}
	}
	for _, seed := range seeds(t) {
		if o, err := Decode(seed.ref, seed.value); err == nil {
			if diff := roundTrip(o); diff != "" {
				t.Errorf("%s (-want +got):\n%s", seed.value, diff)
			}
		}
	}
}

// roundTrip returns how an object differs from itself encoded and decoded.
func roundTrip(o registry.Object) string {
	value, err := Encode(o)
	if err != nil {
		return err.Error()
	}
	again, err := Decode(o.Ref(), value)
	if err != nil {
		return string(value) + ": " + err.Error()
	}
	return cmp.Diff(o, again, ignoreVersion)
}

func TestEncode(t *testing.T) {
	meta := func(r registry.Ref) registry.Meta { return registry.Meta{Kind: r.Kind, Key: r.Key} }
	slice := ref(registry.KindEndpointSlice, "my-ns", "web-1")
	tests := []struct {
		name   string
		object registry.Object
		want   string
	}{
		{"service", &registry.Service{
			Meta: meta(serviceRef), Type: registry.ClusterIP, PortalIPs: addrs("10.0.0.1"), Selector: map[string]string{},
			Ports: []registry.Port{{Protocol: registry.TCP, Port: 80, TargetPort: "8080"}},
		}, `{"kind":"Service","apiVersion":"v1","metadata":{"name":"my-service","namespace":"my-ns"},"spec":{"type":"ClusterIP",
			"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"selector":{},"ports":[{"port":80,"protocol":"TCP","targetPort":8080}]}}`},
		{"a slice's service is a label", &registry.Endpoints{
			Meta: meta(slice), Service: registry.Key{Namespace: "my-ns", Name: "web"},
			Subsets: []registry.Subset{one("2001:db8::1", 80)},
		}, `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"web-1","namespace":"my-ns","labels":{"kubernetes.io/service-name":"web"}},
			"addressType":"IPv6","endpoints":[{"addresses":["2001:db8::1"],"conditions":{"ready":true,"serving":true,"terminating":false}}],"ports":[{"port":80,"protocol":"TCP"}]}`},
		{"a slice of names", &registry.Endpoints{Meta: meta(slice), Subsets: []registry.Subset{{Endpoints: []registry.Endpoint{ready("db.example.org")}}}},
			`{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"web-1","namespace":"my-ns"},"addressType":"FQDN",
			"endpoints":[{"addresses":["db.example.org"],"conditions":{"ready":true,"serving":true,"terminating":false}}]}`},
		{"portal networks", &registry.ServiceCIDR{Meta: meta(ref(registry.KindServiceCIDR, "", "kubernetes")), Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}},
			`{"kind":"ServiceCIDR","apiVersion":"networking.k8s.io/v1","metadata":{"name":"kubernetes"},"spec":{"cidrs":["10.0.0.0/16"]}}`},
		{"a portal IP", &registry.IPAddress{Meta: meta(ref(registry.KindIPAddress, "", "10.0.0.1")), Service: serviceRef.Key},
			`{"kind":"IPAddress","apiVersion":"networking.k8s.io/v1","metadata":{"name":"10.0.0.1"},"spec":{"parentRef":{"group":"","resource":"services","namespace":"my-ns","name":"my-service"}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Encode(tt.object)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(jsonOf(t, tt.want), jsonOf(t, string(got))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodeErrors(t *testing.T) {
	meta := registry.Meta{Kind: registry.KindEndpointSlice, Key: registry.Key{Namespace: "a", Name: "b"}}
	mixed := registry.Subset{Endpoints: []registry.Endpoint{ready("192.0.2.1"), ready("db.example.org")}}
	for want, subsets := range map[string][]registry.Subset{
		"EndpointSlice a/b: an EndpointSlice has one type of addresses": {mixed},
		"EndpointSlice a/b: an EndpointSlice has one set of ports":      {one("192.0.2.1", 80), one("192.0.2.2", 81)},
	} {
		if _, err := Encode(&registry.Endpoints{Meta: meta, Subsets: subsets}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
