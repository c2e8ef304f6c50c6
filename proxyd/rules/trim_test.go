package rules

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

func TestTrim(t *testing.T) {
	meta := func(annotations map[string]string) registry.Meta {
		return registry.Meta{
			Key: key("a"), UID: "1", APIVersion: "v1", Labels: map[string]string{"app": "a"}, Annotations: annotations, CreateRevision: 3, ModRevision: 4,
		}
	}
	const weights = "web-0=2"
	trimmed := func(annotations map[string]string) registry.Meta {
		return registry.Meta{Key: key("a"), Annotations: annotations, CreateRevision: 3, ModRevision: 4}
	}
	annotations := map[string]string{"a": "b", WeightsAnnotation: weights, registry.TriggerAnnotation: "now"}
	addr := netip.MustParseAddr("10.1.0.1")
	service := registry.Service{
		Type: registry.NodePort, PortalIPs: []netip.Addr{addr}, PublicIPs: []netip.Addr{addr}, LoadBalancerIPs: []netip.Addr{addr},
		SourceRanges: []netip.Prefix{netip.PrefixFrom(addr, 8)}, AffinityTimeout: time.Second, ExternalLocal: true, InternalLocal: true,
		HealthCheckNodePort: 30001, TrafficDistribution: "PreferClose", PublishNotReady: true,
		Ports: []registry.Port{{Name: "http", Protocol: registry.TCP, Port: 80, NodePort: 30000}},
	}
	full, kept := service, service
	full.Meta, full.Selector = meta(annotations), map[string]string{"app": "a"}
	full.Ports = []registry.Port{{Name: "http", Protocol: registry.TCP, Port: 80, NodePort: 30000, TargetPort: "8080"}}
	kept.Meta = trimmed(map[string]string{WeightsAnnotation: weights})
	headless := full
	headless.Headless = true

	endpoint := func(node, zone string) registry.Endpoint {
		return registry.Endpoint{Addr: addr, Hostname: "db-0", Node: node, Zone: zone, Target: registry.Target{Key: registry.Key{Name: "web-0"}}, Ready: true, Serving: true, Terminating: true}
	}
	from := func(node, zone string) registry.Endpoint {
		e := endpoint(node, zone)
		e.Target.Kind, e.Target.Namespace, e.Host = "Pod", "ns", "web.example.org"
		return e
	}
	endpoints := func(m registry.Meta, of ...registry.Endpoint) *registry.Endpoints {
		return &registry.Endpoints{Meta: m, Service: key("a"), Subsets: []registry.Subset{{Ports: []registry.EndpointPort{{Name: "http", Port: 80}}, Endpoints: of}}}
	}
	host := registry.Target{Kind: registry.TargetHost, Key: registry.Key{Name: "web.example.org"}}
	outside := endpoints(meta(nil), registry.Endpoint{Addr: addr, Target: host, Ready: true})
	tests := []struct {
		name, zone string
		from, want registry.Object
	}{
		{"a service", "", &full, &kept},
		{"one without an address", "", &headless, &registry.Service{Meta: kept.Meta, Type: registry.NodePort, Headless: true}},
		{"an alias", "", &registry.Service{Meta: meta(nil), Type: registry.ExternalName, ExternalName: "www.example.org", Ports: service.Ports}, &registry.Service{Meta: trimmed(nil), Type: registry.ExternalName}},
		{"a name with a portal IP", "", &registry.Service{Meta: meta(nil), Type: registry.ExternalName, ExternalName: "www.example.org", PortalIPs: service.PortalIPs, Ports: service.Ports},
			&registry.Service{Meta: trimmed(nil), Type: registry.ExternalName, PortalIPs: service.PortalIPs, Ports: service.Ports}},
		{"one without weights", "", &registry.Service{Meta: meta(map[string]string{"a": "b"})}, &registry.Service{Meta: trimmed(nil)}},
		{"endpoints", "", endpoints(meta(annotations), from("n1", "z1"), from("n2", "z2")), endpoints(trimmed(map[string]string{registry.TriggerAnnotation: "now"}), endpoint("n1", "z1"), endpoint("", "z2"))},
		{"endpoints, in a zone that stays", "z1", endpoints(meta(nil), from("n1", "z1"), from("n2", "z2")), endpoints(trimmed(nil), endpoint("n1", "z1"), endpoint("", ""))},
		{"an endpoint that was a name", "", outside, endpoints(trimmed(nil), registry.Endpoint{Addr: addr, Target: host, Ready: true})},
		{"the node itself", "", &registry.Node{Meta: registry.Meta{Key: registry.Key{Name: "n1"}, UID: "1"}, Zone: "z1", IPs: []netip.Addr{addr}},
			&registry.Node{Meta: registry.Meta{Key: registry.Key{Name: "n1"}}, Zone: "z1"}},
		{"another node", "", &registry.Node{Meta: registry.Meta{Key: registry.Key{Name: "n2"}, UID: "1"}, Zone: "z1", IPs: []netip.Addr{addr}},
			&registry.Node{Meta: registry.Meta{Key: registry.Key{Name: "n2"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			Trim(tt.from, "n1", tt.zone)
			if diff := cmp.Diff(tt.want, tt.from, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// What is trimmed away makes no difference to any rule.
func TestTrimChangesNoRule(t *testing.T) {
	policy := Policy{PublicRanges: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/15")}, NodeName: "1", Zone: "z1", NodePorts: true}
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		whole, trimmed := registry.Build(0), registry.Build(0)
		for revision := range int64(60) {
			changes := randomChange(rnd, revision)
			whole, _ = whole.Apply(revision, changes...)
			for _, c := range changes {
				if c.Object != nil {
					Trim(c.Object, policy.NodeName, policy.Zone)
				}
			}
			trimmed, _ = trimmed.Apply(revision, changes...)
			want, got := Compile(whole, policy), Compile(trimmed, policy)
			if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
				t.Fatalf("seed %d, revision %d: rules (-whole +trimmed):\n%s", seed, revision, diff)
			}
			if diff := cmp.Diff(refusals(want), refusals(got)); diff != "" {
				t.Fatalf("seed %d, revision %d: refusals (-whole +trimmed):\n%s", seed, revision, diff)
			}
		}
	}
}
