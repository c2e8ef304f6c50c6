package svcreg

import (
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// collected is what a query's metadata say, without what is "".
func collected(t *testing.T, h *testServer, client, name string) string {
	t.Helper()
	state := request.Request{W: &test.ResponseWriter{RemoteIP: client}, Req: new(dns.Msg).SetQuestion(name, dns.TypeA)}
	ctx := h.Metadata(metadata.ContextWithMetadata(t.Context()), state)
	var said []string
	for _, label := range metadataLabels {
		value := metadata.ValueFunc(ctx, label.name)
		if value == nil {
			return "nothing"
		}
		if v := value(); v != "" {
			said = append(said, strings.TrimPrefix(label.name, "svcreg/")+"="+v)
		}
	}
	return strings.Join(said, " ")
}

// A name is read by its labels; what those leave open the registry decides.
func TestMetadata(t *testing.T) {
	h := newTestServerOf(&options{
		zones: []string{"cluster.local.", ".", "10.in-addr.arpa."}, public: []string{"example.org."}, shortNames: true,
		pods: podsVerified, clients: clientsOf(t, "192.0.2.200/32 my-ns"),
	})
	h.update(registrytest.Snapshot(t, manifests+"---\n"+podManifests), nil)
	const stranger = "198.51.100.7"
	for _, tt := range []struct{ client, name, want string }{
		{stranger, "my-service.my-ns.svc.cluster.local.", "kind=svc namespace=my-ns service=my-service"},
		{stranger, "My-Service.My-NS.SVC.Cluster.Local.", "kind=svc namespace=my-ns service=my-service"},
		{stranger, "my-service.my-ns.cluster.local.", "kind=svc namespace=my-ns service=my-service"},
		{stranger, "my-service.my-ns.", "kind=svc namespace=my-ns service=my-service"},
		{stranger, "nothing.nowhere.svc.cluster.local.", "kind=svc namespace=nowhere service=nothing"},
		{stranger, "my-ns.svc.cluster.local.", "kind=svc namespace=my-ns"},
		{stranger, "web-0.web.my-ns.svc.cluster.local.", "kind=svc namespace=my-ns service=web endpoint=web-0"},
		{stranger, "_http._tcp.web.my-ns.svc.cluster.local.", "kind=svc namespace=my-ns service=web port-name=http protocol=tcp"},
		{stranger, "_tcp.web.my-ns.svc.cluster.local.", "kind=svc namespace=my-ns service=web protocol=tcp"},
		{stranger, "a.b.pin._zone.web.my-ns.svc.cluster.local.", "kind=svc namespace=my-ns service=web zone=a.b"},
		{stranger, "too.long.web.my-ns.svc.cluster.local.", "kind=svc namespace=my-ns service=web"},
		{stranger, "192-0-2-1.my-ns.pod.cluster.local.", "kind=pod namespace=my-ns endpoint=192-0-2-1"},
		{stranger, "my-ns.pod.cluster.local.", "kind=pod namespace=my-ns"},
		{stranger, "other.pod.cluster.local.", "kind=svc namespace=pod service=other"},
		{stranger, "odd.svc.cluster.local.", "kind=svc namespace=svc service=odd"},
		{stranger, "my-service.my-ns.svc.example.org.", "kind=svc namespace=my-ns service=my-service"},
		{stranger, "my-service.my-ns.example.org.", "kind=svc namespace=my-ns service=my-service"},
		// No service's name.
		{stranger, "cluster.local.", ""},
		{stranger, "dns-version.cluster.local.", ""},
		{stranger, "ns.dns.cluster.local.", ""},
		{stranger, "11.0.0.10.in-addr.arpa.", ""},
		{stranger, "11.0.0.11.in-addr.arpa.", ""},
		{stranger, "www.example.com.", ""},
		// Whom it is from.
		{"192.0.2.200", "my-service.my-ns.svc.cluster.local.", "kind=svc namespace=my-ns service=my-service client-namespace=my-ns"},
		{"192.0.2.200", "www.example.com.", "client-namespace=my-ns"},
		{"192.0.2.1", "11.0.0.10.in-addr.arpa.", "client-namespace=my-ns client-pod-name=one"},
		{"192.0.2.1", "my-service.cluster.local.", "kind=svc namespace=my-ns service=my-service client-namespace=my-ns client-pod-name=one"},
		{"192.0.2.1", "_http._tcp.my-service.", "kind=svc namespace=my-ns service=my-service port-name=http protocol=tcp client-namespace=my-ns client-pod-name=one"},
		{"192.0.2.1", "quiet.cluster.local.", "kind=svc namespace=quiet client-namespace=my-ns client-pod-name=one"},
		{"192.0.2.3", "nothing.cluster.local.", "client-namespace=pods-only client-pod-name=three"},
	} {
		if diff := cmp.Diff(tt.want, collected(t, h, tt.client, tt.name)); diff != "" {
			t.Errorf("%s from %s (-want +got):\n%s", tt.name, tt.client, diff)
		}
	}
}

// A namespace that a network gives says nothing about a pod of another one.
func TestMetadataOfPodElsewhere(t *testing.T) {
	h := newTestServerOf(&options{zones: theZones, pods: podsVerified, clients: clientsOf(t, "192.0.2.3/32 given")})
	h.update(registrytest.Snapshot(t, podManifests), nil)
	if got := collected(t, h, "192.0.2.3", "cluster.local."); got != "client-namespace=given" {
		t.Errorf("got %s", got)
	}
}

// Without short names, and without pods, their forms say nothing.
func TestMetadataOfFormsThatAreOff(t *testing.T) {
	h := newTestServerOf(&options{zones: theZones})
	h.update(registrytest.Snapshot(t, podManifests), nil)
	for name, want := range map[string]string{
		"my-ns.pod.cluster.local.":           "",
		"192-0-2-1.my-ns.pod.cluster.local.": "",
		"other.pod.svc.cluster.local.":       "kind=svc namespace=pod service=other",
	} {
		if got := collected(t, h, "192.0.2.1", name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// Of names in no zone, and before the registry is known, there is nothing.
func TestMetadataOfNothing(t *testing.T) {
	if got := collected(t, loaded(t, theZones...), "192.0.2.1", "www.example.org."); got != "nothing" {
		t.Errorf("outside all zones: %s", got)
	}
	if got := collected(t, newTestServer(theZones...), "192.0.2.1", "my-service.my-ns.svc.cluster.local."); got != "nothing" {
		t.Errorf("without a registry: %s", got)
	}
}
