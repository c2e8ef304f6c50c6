package codec

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/svcreg/svcreg/registry"
)

func ready(address string) registry.Endpoint {
	e := registry.Endpoint{Ready: true, Serving: true}
	if a, err := netip.ParseAddr(address); err == nil {
		e.Addr = a
	} else {
		e.Host = address
	}
	return e
}

// one is a subset of one ready endpoint on one TCP port.
func one(address string, port uint16) registry.Subset {
	return registry.Subset{
		Endpoints: []registry.Endpoint{ready(address)},
		Ports:     []registry.EndpointPort{{Protocol: registry.TCP, Port: port}},
	}
}

type endpointsTest struct {
	name, value string
	want        []registry.Subset
}

func (tt *endpointsTest) run(kind registry.Kind) func(*testing.T) {
	return func(t *testing.T) {
		o, err := Decode(ref(kind, "my-ns", "my-service"), []byte(tt.value))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, o.(*registry.Endpoints).Subsets, ignoreEncoding); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.value, diff)
		}
	}
}

func TestEndpointsV1beta1(t *testing.T) {
	withTarget := one("192.0.2.1", 80)
	withTarget.Endpoints[0].Target = registry.Target{Kind: "Pod", Key: registry.Key{Namespace: "my-ns", Name: "web-0"}}
	udp := one("192.0.2.1", 53)
	udp.Ports[0].Protocol = registry.UDP
	tests := []endpointsTest{
		{"each ip:port is a subset", `{"kind":"Endpoints","apiVersion":"v1beta1","id":"x","endpoints":["173.194.112.206:80","192.0.2.1:8080"]}`,
			[]registry.Subset{one("173.194.112.206", 80), one("192.0.2.1", 8080)}},
		{"none", `{"kind":"Endpoints","apiVersion":"v1beta1","id":"x","endpoints":[]}`, nil},
		{"null", `{"kind":"Endpoints","apiVersion":"v1beta1","id":"x","endpoints":null}`, nil},
		{"IPv6", `{"apiVersion":"v1beta1","id":"x","endpoints":["[2001:db8::1]:80","[::ffff:192.0.2.1]:80"]}`,
			[]registry.Subset{one("2001:db8::1", 80), one("192.0.2.1", 80)}},
		{"names", `{"apiVersion":"v1beta1","id":"x","endpoints":["db.Example.org.:5432","node1:4001","0.pool.ntp.org:123"]}`,
			[]registry.Subset{one("db.example.org", 5432), one("node1", 4001), one("0.pool.ntp.org", 123)}},
		{"protocol", `{"apiVersion":"v1beta1","id":"x","protocol":"UDP","endpoints":["192.0.2.1:53"]}`, []registry.Subset{udp}},
		{"targetRefs", `{"apiVersion":"v1beta1","id":"x","endpoints":["192.0.2.1:80","192.0.2.2:80"],
			"targetRefs":[{"endpoint":"192.0.2.1:80","targetRef":{"kind":"Pod","namespace":"my-ns","name":"web-0"}}]}`,
			[]registry.Subset{withTarget, one("192.0.2.2", 80)}},
		{"subsets win, with a capital IP", `{"apiVersion":"v1beta1","id":"x","endpoints":["192.0.2.9:9"],
			"subsets":[{"addresses":[{"IP":"192.0.2.1","targetRef":{"kind":"Pod","namespace":"my-ns","name":"web-0"}}],"ports":[{"name":"","port":80,"protocol":"TCP"}]}]}`,
			[]registry.Subset{withTarget}},
		{"v1beta2 is the same", `{"kind":"Endpoints","apiVersion":"v1beta2","id":"x","endpoints":["192.0.2.1:80"]}`,
			[]registry.Subset{one("192.0.2.1", 80)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run(registry.KindEndpoints))
	}
}

func TestEndpointsNested(t *testing.T) {
	notReady := ready("192.0.2.2")
	notReady.Ready, notReady.Serving = false, false
	full := ready("192.0.2.1")
	full.Hostname, full.Node = "web-0", "node-1"
	full.Target = registry.Target{Kind: "Pod", Key: registry.Key{Namespace: "my-ns", Name: "web-0"}}
	tests := []endpointsTest{
		{"v1beta3 with a capital IP", `{"kind":"Endpoints","apiVersion":"v1beta3","metadata":{"name":"x"},
			"subsets":[{"addresses":[{"IP":"192.0.2.1"}],"ports":[{"port":80}]}]}`,
			[]registry.Subset{one("192.0.2.1", 80)}},
		{"v1", `{"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"x"},"subsets":[
			{"addresses":[{"ip":"192.0.2.1","hostname":"web-0","nodeName":"node-1","targetRef":{"kind":"Pod","namespace":"my-ns","name":"web-0","uid":"1"}}],
			 "notReadyAddresses":[{"ip":"192.0.2.2"}],"ports":[{"name":"http","port":80,"protocol":"TCP"},{"name":"dns","port":53,"protocol":"UDP"}]},
			{"addresses":[{"ip":"2001:db8::1"}],"ports":[{"port":81}]}]}`,
			[]registry.Subset{{
				Endpoints: []registry.Endpoint{full, notReady},
				Ports:     []registry.EndpointPort{{Name: "http", Protocol: registry.TCP, Port: 80}, {Name: "dns", Protocol: registry.UDP, Port: 53}},
			}, {
				Endpoints: []registry.Endpoint{ready("2001:db8::1")},
				Ports:     []registry.EndpointPort{{Protocol: registry.TCP, Port: 81}},
			}}},
		{"no ports", `{"apiVersion":"v1","metadata":{},"subsets":[{"addresses":[{"ip":"192.0.2.1"}]}]}`,
			[]registry.Subset{{Endpoints: []registry.Endpoint{ready("192.0.2.1")}}}},
		{"none", `{"apiVersion":"v1","metadata":{},"subsets":[]}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run(registry.KindEndpoints))
	}
}

func TestEndpointSlice(t *testing.T) {
	state := func(address string, isReady, serving, terminating bool) registry.Endpoint {
		e := ready(address)
		e.Ready, e.Serving, e.Terminating = isReady, serving, terminating
		return e
	}
	ports := []registry.EndpointPort{{Name: "http", Protocol: registry.TCP, Port: 8080}}
	zoned := ready("192.0.2.1")
	zoned.Hostname, zoned.Node, zoned.Zone = "web-0", "node-1", "zone-a"
	zoned.Target = registry.Target{Kind: "Pod", Key: registry.Key{Namespace: "my-ns", Name: "web-0"}}
	tests := []endpointsTest{
		{"conditions: null is ready, serving follows ready", `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{},"addressType":"IPv4",
			"endpoints":[{"addresses":["192.0.2.1"]},{"addresses":["192.0.2.2"],"conditions":{"ready":null}},
			{"addresses":["192.0.2.3"],"conditions":{"ready":false}},{"addresses":["192.0.2.4"],"conditions":{"ready":false,"serving":true,"terminating":true}}],
			"ports":[{"name":"http","port":8080}]}`,
			[]registry.Subset{{Endpoints: []registry.Endpoint{
				ready("192.0.2.1"), ready("192.0.2.2"), state("192.0.2.3", false, false, false), state("192.0.2.4", false, true, true),
			}, Ports: ports}}},
		{"hostname, node, zone, target", `{"apiVersion":"discovery.k8s.io/v1","metadata":{},"addressType":"IPv4",
			"endpoints":[{"addresses":["192.0.2.1"],"hostname":"web-0","nodeName":"node-1","zone":"zone-a","targetRef":{"kind":"Pod","namespace":"my-ns","name":"web-0"}}]}`,
			[]registry.Subset{{Endpoints: []registry.Endpoint{zoned}}}},
		{"v1beta1 has a topology", `{"apiVersion":"discovery.k8s.io/v1beta1","metadata":{},"addressType":"IPv4",
			"endpoints":[{"addresses":["192.0.2.1"],"hostname":"web-0","topology":{"kubernetes.io/hostname":"node-1","topology.kubernetes.io/zone":"zone-a"},"targetRef":{"kind":"Pod","namespace":"my-ns","name":"web-0"}}]}`,
			[]registry.Subset{{Endpoints: []registry.Endpoint{zoned}}}},
		{"several addresses", `{"apiVersion":"discovery.k8s.io/v1","metadata":{},"addressType":"IPv6",
			"endpoints":[{"addresses":["2001:db8::1","2001:db8::2"]}],"ports":[{"name":"http","port":8080}]}`,
			[]registry.Subset{{Endpoints: []registry.Endpoint{ready("2001:db8::1"), ready("2001:db8::2")}, Ports: ports}}},
		{"names", `{"apiVersion":"discovery.k8s.io/v1","metadata":{},"addressType":"FQDN","endpoints":[{"addresses":["DB.example.org"]}]}`,
			[]registry.Subset{{Endpoints: []registry.Endpoint{ready("db.example.org")}}}},
		{"no address type", `{"apiVersion":"discovery.k8s.io/v1","metadata":{},"endpoints":[{"addresses":["192.0.2.1"]}]}`,
			[]registry.Subset{{Endpoints: []registry.Endpoint{ready("192.0.2.1")}}}},
		{"a port without a number", `{"apiVersion":"discovery.k8s.io/v1","metadata":{},"addressType":"IPv4","endpoints":[{"addresses":["192.0.2.1"]}],"ports":[{"name":"any"}]}`,
			[]registry.Subset{{Endpoints: []registry.Endpoint{ready("192.0.2.1")}}}},
		{"nothing", `{"apiVersion":"discovery.k8s.io/v1","metadata":{},"addressType":"IPv4","endpoints":null,"ports":null}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.run(registry.KindEndpointSlice))
	}
}

// Endpoints serve the service of their name, a slice the one in its label.
func TestEndpointsService(t *testing.T) {
	tests := []struct {
		kind  registry.Kind
		value string
		want  registry.Key
	}{
		{registry.KindEndpoints, `{"id":"x"}`, registry.Key{Namespace: "my-ns", Name: "my-name"}},
		{registry.KindEndpointSlice, `{"metadata":{"namespace":"other","labels":{"kubernetes.io/service-name":"web"}}}`, registry.Key{Namespace: "my-ns", Name: "web"}},
		{registry.KindEndpointSlice, `{"metadata":{"name":"x"}}`, registry.Key{}},
	}
	for _, tt := range tests {
		o, err := Decode(ref(tt.kind, "my-ns", "my-name"), []byte(tt.value))
		if err != nil {
			t.Fatal(err)
		}
		if got := o.(*registry.Endpoints).Service; got != tt.want {
			t.Errorf("%s serves %v, want %v", tt.value, got, tt.want)
		}
	}
}

func TestObjects(t *testing.T) {
	pod := registry.Pod{
		IPs: addrs("192.0.2.8"), HostIP: netip.MustParseAddr("192.0.2.1"), Node: "node-1", Ready: true,
		Ports: []registry.ContainerPort{{Name: "http", Protocol: registry.TCP, Port: 80}, {Name: "dns", Protocol: registry.UDP, Port: 53}},
	}
	dual := pod
	dual.IPs = addrs("192.0.2.8", "2001:db8::8")
	dual.Hostname, dual.Subdomain = "web-0", "web"
	const v1beta1Pod = `"desiredState":{"manifest":{"containers":[{"ports":[{"name":"http","containerPort":80,"hostPort":8080}]},{"ports":[{"name":"dns","containerPort":53,"protocol":"UDP"}]}]}}`
	const v1Containers = `"containers":[{"name":"a","resources":{"limits":{"cpu":7}},"ports":[{"name":"http","containerPort":80}]},{"ports":[{"name":"dns","containerPort":53,"protocol":"UDP"}]}]`
	tests := []struct {
		name  string
		ref   registry.Ref
		value string
		want  registry.Object
	}{
		{"pod v1beta1", ref(registry.KindPod, "a", "b"), `{"kind":"Pod","apiVersion":"v1beta1","id":"b",` + v1beta1Pod + `,
			"currentState":{"status":"Running","Condition":[{"kind":"Ready","status":"Full"}],"host":"node-1","hostIP":"192.0.2.1","podIP":"192.0.2.8"}}`, &pod},
		{"pod v1beta1, not ready", ref(registry.KindPod, "a", "b"), `{"kind":"Pod","apiVersion":"v1beta2","id":"b","currentState":{"Condition":[{"kind":"Ready","status":"None"}]}}`, &registry.Pod{}},
		{"pod v1beta1, unknown", ref(registry.KindPod, "a", "b"), `{"kind":"Pod","apiVersion":"v1beta1","id":"b","currentState":{"Condition":[{"kind":"Ready","status":"Unknown"}]}}`, &registry.Pod{}},
		{"pod v1beta1, ended", ref(registry.KindPod, "a", "b"), `{"kind":"Pod","apiVersion":"v1beta1","id":"b","currentState":{"status":"Terminated"}}`, &registry.Pod{Finished: true}},
		{"pod v1", ref(registry.KindPod, "a", "b"), `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"b"},"spec":{"nodeName":"node-1","hostname":"web-0","subdomain":"web",` + v1Containers + `},
			"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"},{"type":"Initialized","status":"False"}],"hostIP":"192.0.2.1","podIP":"192.0.2.8","podIPs":[{"ip":"192.0.2.8"},{"ip":"2001:db8::8"}]}}`, &dual},
		{"pod v1beta3", ref(registry.KindPod, "a", "b"), `{"kind":"Pod","apiVersion":"v1beta3","metadata":{"name":"b"},"spec":{"host":"node-1",` + v1Containers + `},
			"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"hostIP":"192.0.2.1","podIP":"192.0.2.8"}}`, &pod},
		{"pod leaving", ref(registry.KindPod, "a", "b"), `{"apiVersion":"v1","metadata":{"deletionTimestamp":"2024-01-01T00:00:00Z"},"status":{"phase":"Succeeded"}}`,
			&registry.Pod{Terminating: true, Finished: true}},
		{"pod staying", ref(registry.KindPod, "a", "b"), `{"apiVersion":"v1","metadata":{"deletionTimestamp":null},"status":{"phase":"Pending"}}`, &registry.Pod{}},
		{"minion", ref(registry.KindNode, "", "node-1"), `{"kind":"Minion","apiVersion":"v1beta1","id":"node-1","hostIP":"192.0.2.1","labels":{"topology.kubernetes.io/zone":"zone-a"},
			"status":{"addresses":[{"type":"Hostname","address":"node-1"},{"type":"ExternalIP","address":"198.51.100.1"}],"conditions":[{"kind":"Ready","status":"Full"}]}}`,
			&registry.Node{IPs: addrs("192.0.2.1", "198.51.100.1"), Zone: "zone-a", Ready: true}},
		{"node v1, inner addresses first", ref(registry.KindNode, "", "node-1"), `{"kind":"Node","apiVersion":"v1","metadata":{"labels":{"failure-domain.beta.kubernetes.io/zone":"old"}},
			"status":{"addresses":[{"type":"ExternalIP","address":"198.51.100.1"},{"type":"LegacyHostIP","address":"192.0.2.1"},{"type":"InternalIP","address":"192.0.2.1"},{"type":"InternalIP","address":"fd00::1"}],"conditions":[{"type":"Ready","status":"Unknown"}]}}`,
			&registry.Node{IPs: addrs("192.0.2.1", "fd00::1", "198.51.100.1"), Zone: "old"}},
		{"the newer zone label wins", ref(registry.KindNode, "", "node-1"), `{"metadata":{"labels":{"failure-domain.beta.kubernetes.io/zone":"old","topology.kubernetes.io/zone":"new"}}}`,
			&registry.Node{Zone: "new"}},
		{"node leaving", ref(registry.KindNode, "", "node-1"), `{"kind":"Node","apiVersion":"v1","metadata":{"deletionTimestamp":"2024-01-01T00:00:00Z"}}`, &registry.Node{Leaving: true}},
		{"node that the autoscaler deletes", ref(registry.KindNode, "", "node-1"), `{"kind":"Node","apiVersion":"v1","metadata":{},"spec":{"taints":[{"key":"other"},{"key":"ToBeDeletedByClusterAutoscaler","value":"1","effect":"NoSchedule"}]}}`,
			&registry.Node{Leaving: true}},
		{"node with another taint", ref(registry.KindNode, "", "node-1"), `{"kind":"Node","apiVersion":"v1","metadata":{},"spec":{"taints":[{"key":"other","effect":"NoSchedule"}]}}`, &registry.Node{}},
		{"namespace v1beta1", ref(registry.KindNamespace, "", "my-ns"), `{"kind":"Namespace","apiVersion":"v1beta1","id":"my-ns"}`, &registry.Namespace{}},
		{"namespace v1", ref(registry.KindNamespace, "", "my-ns"), `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"my-ns"},"spec":{"finalizers":["kubernetes"]}}`, &registry.Namespace{}},
		{"portal networks", ref(registry.KindServiceCIDR, "", "kubernetes"), `{"kind":"ServiceCIDR","apiVersion":"networking.k8s.io/v1beta1","metadata":{"name":"kubernetes"},"spec":{"cidrs":["10.96.0.0/12","fd00::/108"]}}`,
			&registry.ServiceCIDR{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12"), netip.MustParsePrefix("fd00::/108")}}},
		{"a portal IP's owner", ref(registry.KindIPAddress, "", "fd00::1"), `{"kind":"IPAddress","apiVersion":"networking.k8s.io/v1","metadata":{"name":"fd00::1"},"spec":{"parentRef":{"resource":"services","namespace":"a","name":"b"}}}`,
			&registry.IPAddress{Addr: netip.MustParseAddr("fd00::1"), Service: registry.Key{Namespace: "a", Name: "b"}}},
		{"an address of something else", ref(registry.KindIPAddress, "", "10.0.0.1"), `{"apiVersion":"networking.k8s.io/v1","metadata":{},"spec":{"parentRef":{"group":"gateway.networking.k8s.io","resource":"gateways","namespace":"a","name":"b"}}}`,
			&registry.IPAddress{Addr: netip.MustParseAddr("10.0.0.1")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode(tt.ref, []byte(tt.value))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, ignoreEncoding, cmpopts.IgnoreTypes(registry.Meta{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
