package svcreg

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// Without endpoints there is nothing but portal IPs and aliases, even if a
// snapshot from elsewhere knows endpoints.
func TestNoEndpoints(t *testing.T) {
	h := filtered(t, "noendpoints", manifests)
	run(t, h, []question{
		{"web.my-ns.svc.cluster.local.", dns.TypeA, nxDomain},
		{"web.my-ns.cluster.local.", dns.TypeAAAA, nxDomain},
		{"web-0.web.my-ns.svc.cluster.local.", dns.TypeA, nxDomain},
		{"_http._tcp.web.my-ns.svc.cluster.local.", dns.TypeSRV, nxDomain},
		{"1.2.0.192.in-addr.arpa.", dns.TypePTR, "NXDOMAIN aa\nns: " + soaOf("in-addr.arpa.")},
		{"my-service.my-ns.svc.cluster.local.", dns.TypeA, lines("my-service.my-ns.svc.cluster.local. 5 IN A 10.0.0.11")},
		{"_dns._udp.my-service.my-ns.svc.cluster.local.", dns.TypeSRV, lines(
			"_dns._udp.my-service.my-ns.svc.cluster.local. 5 IN SRV 0 100 53 my-service.my-ns.svc.cluster.local.",
			"extra: my-service.my-ns.svc.cluster.local. 5 IN A 10.0.0.11")},
		{"11.0.0.10.in-addr.arpa.", dns.TypePTR, lines("11.0.0.10.in-addr.arpa. 5 IN PTR my-service.my-ns.svc.cluster.local.")},
		{"external.my-ns.svc.cluster.local.", dns.TypeCNAME, lines("external.my-ns.svc.cluster.local. 5 IN CNAME www.example.org.")},
		{"my-ns.svc.cluster.local.", dns.TypeA, noData},
	})
	for _, k := range optionsOf(t, "noendpoints").kinds() {
		if k == registry.KindEndpoints || k == registry.KindEndpointSlice {
			t.Errorf("%v objects are watched", k)
		}
	}
	if kinds := optionsOf(t, "").kinds(); !slices.Contains(kinds, registry.KindEndpoints) || !slices.Contains(kinds, registry.KindEndpointSlice) {
		t.Errorf("with endpoints, only %v are watched", kinds)
	}
}

// A service with a portal IP and no ready endpoint does not exist; one without
// a portal IP yet, but with endpoints, does.
func TestIgnoreEmptyService(t *testing.T) {
	h := filtered(t, "ignore empty_service", manifests)
	run(t, h, []question{
		{"my-service.my-ns.svc.cluster.local.", dns.TypeA, lines("my-service.my-ns.svc.cluster.local. 5 IN A 10.0.0.11")},
		{"11.0.0.10.in-addr.arpa.", dns.TypePTR, lines("11.0.0.10.in-addr.arpa. 5 IN PTR my-service.my-ns.svc.cluster.local.")},
		{"dual.my-ns.svc.cluster.local.", dns.TypeA, nxDomain},
		{"dual.my-ns.svc.cluster.local.", dns.TypeSRV, nxDomain},
		{"dual.my-ns.cluster.local.", dns.TypeAAAA, nxDomain},
		{"_http._tcp.dual.my-ns.svc.cluster.local.", dns.TypeSRV, nxDomain},
		{"12.0.0.10.in-addr.arpa.", dns.TypePTR, "NXDOMAIN aa\nns: " + soaOf("in-addr.arpa.")},
		{"web.my-ns.svc.cluster.local.", dns.TypeA, lines("web.my-ns.svc.cluster.local. 5 IN A 192.0.2.1", "web.my-ns.svc.cluster.local. 5 IN A 192.0.2.2")},
		{"eager.my-ns.svc.cluster.local.", dns.TypeA, lines("eager.my-ns.svc.cluster.local. 5 IN A 192.0.2.10")},
		{"external.my-ns.svc.cluster.local.", dns.TypeCNAME, lines("external.my-ns.svc.cluster.local. 5 IN CNAME www.example.org.")},
		{"default.svc.cluster.local.", dns.TypeA, noData}, // the namespace is there
	})
}

// A service comes with its first ready endpoint, whatever it is, and goes with
// the last one.
func TestIgnoreEmptyServiceFollowsEndpoints(t *testing.T) {
	h := filtered(t, "ignore empty_service", "")
	s, k := &registry.Snapshot{}, registry.Key{Namespace: "ns", Name: "s"}
	const there, away = "A 10.0.0.1", "NXDOMAIN"
	eager := portalService(k, netip.MustParseAddr("10.0.0.1"))
	eager.PublishNotReady = true
	endpoint := func(e registry.Endpoint) registry.Change {
		endpoints := headlessEndpoints(k, 0)
		endpoints.Subsets[0].Endpoints = []registry.Endpoint{{Addr: netip.MustParseAddr("192.0.2.9")}, e}
		return registry.Put(endpoints)
	}
	for i, step := range []struct {
		name   string
		change registry.Change
		want   string
	}{
		{"the service", registry.Put(portalService(k, netip.MustParseAddr("10.0.0.1"))), away},
		{"a ready endpoint", endpoint(registry.Endpoint{Addr: netip.MustParseAddr("192.0.2.1"), Ready: true}), there},
		{"it is no longer ready", endpoint(registry.Endpoint{Addr: netip.MustParseAddr("192.0.2.1"), Serving: true}), away},
		{"one that has a name only", endpoint(registry.Endpoint{Host: "www.example.org", Ready: true}), there},
		{"no endpoint", registry.Put(headlessEndpoints(k, 0)), away},
		{"some endpoints", registry.Put(headlessEndpoints(k, 2)), there},
		{"no endpoints at all", registry.Delete(registry.Ref{Kind: registry.KindEndpoints, Key: k}), away},
		{"one that isn't ready", endpoint(registry.Endpoint{Addr: netip.MustParseAddr("192.0.2.1")}), away},
		{"the service wants them all", registry.Put(eager), there},
	} {
		t.Run(step.name, func(t *testing.T) {
			var changes *registry.Changes
			s, changes = s.Apply(int64(i+1), step.change)
			h.update(s, changes)
			check(t, h, map[string]string{"s.ns.svc": step.want, "s.ns": step.want})
		})
	}
}

const pods = `
kind: Service
apiVersion: v1
metadata: {name: web, namespace: my-ns}
spec: {clusterIP: None, ports: [{name: http, port: 80}]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: web-4, namespace: my-ns, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: [192.0.2.1], hostname: web-0, targetRef: {kind: Pod, name: pod-a, namespace: my-ns}}
- {addresses: [192.0.2.2], targetRef: {kind: Pod, name: pod-b, namespace: my-ns}}
- {addresses: [192.0.2.3], targetRef: {kind: Pod, name: pod.with.dots, namespace: my-ns}}
- {addresses: [192.0.2.4], targetRef: {kind: Pod, name: LONG, namespace: my-ns}}
- {addresses: [192.0.2.5], targetRef: {kind: VM, name: vm-1, namespace: my-ns}}
- {addresses: [192.0.2.6]}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: web-6, namespace: my-ns, labels: {kubernetes.io/service-name: web}}
addressType: IPv6
endpoints:
- {addresses: ["2001:db8::2"], targetRef: {kind: Pod, name: pod-b, namespace: my-ns}}
`

// An endpoint's label is its hostname, else its pod's name, else its address.
func TestEndpointPodNames(t *testing.T) {
	long := strings.Repeat("x", 63)
	const web, http = "web.my-ns.svc.cluster.local.", "_http._tcp.web.my-ns.svc.cluster.local."
	objects := strings.ReplaceAll(pods, "LONG", long+"x")
	named := filtered(t, "endpoint_pod_names", objects)
	want := map[string]string{
		"web-0.web.my-ns.svc": "A 192.0.2.1", "pod-a.web.my-ns.svc": "NXDOMAIN",
		"pod-b.web.my-ns.svc": "A 192.0.2.2", "pod-b.web.my-ns": "A 192.0.2.2", "192-0-2-2.web.my-ns.svc": "NXDOMAIN",
		"192-0-2-3.web.my-ns.svc": "A 192.0.2.3", "192-0-2-4.web.my-ns.svc": "A 192.0.2.4",
		"vm-1.web.my-ns.svc": "NXDOMAIN", "192-0-2-5.web.my-ns.svc": "A 192.0.2.5", "192-0-2-6.web.my-ns.svc": "A 192.0.2.6",
		"192.0.2.2":   "PTR pod-b.web.my-ns.svc.cluster.local.",
		"2001:db8::2": "PTR pod-b.web.my-ns.svc.cluster.local.",
		"192.0.2.1":   "PTR web-0.web.my-ns.svc.cluster.local.",
	}
	check(t, named, want)
	fits := filtered(t, "endpoint_pod_names", strings.ReplaceAll(pods, "LONG", long))
	check(t, fits, map[string]string{long + ".web.my-ns.svc": "A 192.0.2.4", "192-0-2-4.web.my-ns.svc": "NXDOMAIN"})
	soa := strings.Replace("ns: "+clusterSOA, " 29 ", " 3 ", 1)
	run(t, named, []question{
		{"pod-b." + web, dns.TypeAAAA, lines("pod-b." + web + " 5 IN AAAA 2001:db8::2")},
		{"pod-b." + web, dns.TypeTXT, lines(soa)},
		{http, dns.TypeSRV, lines(
			http+" 5 IN SRV 0 16 8080 192-0-2-3."+web,
			http+" 5 IN SRV 0 16 8080 192-0-2-4."+web,
			http+" 5 IN SRV 0 16 8080 192-0-2-5."+web,
			http+" 5 IN SRV 0 16 8080 192-0-2-6."+web,
			http+" 5 IN SRV 0 16 8080 pod-b."+web,
			http+" 5 IN SRV 0 16 8080 web-0."+web,
			"extra: 192-0-2-3."+web+" 5 IN A 192.0.2.3",
			"extra: 192-0-2-4."+web+" 5 IN A 192.0.2.4",
			"extra: 192-0-2-5."+web+" 5 IN A 192.0.2.5",
			"extra: 192-0-2-6."+web+" 5 IN A 192.0.2.6",
			"extra: pod-b."+web+" 5 IN A 192.0.2.2",
			"extra: pod-b."+web+" 5 IN AAAA 2001:db8::2",
			"extra: web-0."+web+" 5 IN A 192.0.2.1")},
	})
	want["pod-b.web.my-ns.svc"], want["pod-b.web.my-ns"], want["192-0-2-2.web.my-ns.svc"] = "NXDOMAIN", "NXDOMAIN", "A 192.0.2.2"
	want["192.0.2.2"], want["2001:db8::2"] = "PTR 192-0-2-2.web.my-ns.svc.cluster.local.", "PTR 2001-db8--2.web.my-ns.svc.cluster.local."
	check(t, filtered(t, "", objects), want)
}

// A pod's name that changes leaves no trace.
func TestEndpointPodNamesFollowEndpoints(t *testing.T) {
	h := filtered(t, "endpoint_pod_names", pods)
	k := registry.Key{Namespace: "my-ns", Name: "web-6"}
	s, changes := h.index.Load().snapshot.Apply(99, registry.Delete(registry.Ref{Kind: registry.KindEndpointSlice, Key: k}))
	h.update(s, changes)
	check(t, h, map[string]string{"pod-b.web.my-ns.svc": "A 192.0.2.2", "2001:db8::2": "NXDOMAIN"})
	slice := registrytest.Snapshot(t, strings.ReplaceAll(pods, "pod-b", "pod-c")).Object(registry.Ref{
		Kind: registry.KindEndpointSlice, Key: registry.Key{Namespace: "my-ns", Name: "web-4"}})
	s, changes = s.Apply(100, registry.Put(slice))
	h.update(s, changes)
	check(t, h, map[string]string{
		"pod-b.web.my-ns.svc": "NXDOMAIN", "pod-c.web.my-ns.svc": "A 192.0.2.2",
		"192.0.2.2": "PTR pod-c.web.my-ns.svc.cluster.local.",
	})
}

// An index grown change by change is the one that a new start would build.
func TestEndpointRulesFollowChanges(t *testing.T) {
	for _, properties := range []string{"noendpoints", "ignore empty_service", "endpoint_pod_names", "ignore empty_service\nlabels show"} {
		for seed := range uint64(10) {
			rng := rand.New(rand.NewPCG(seed, 1))
			h, s := newTestServerOf(optionsOf(t, properties)), &registry.Snapshot{}
			for revision := range int64(60) {
				changed := randomChanges(rng, revision+1)
				for _, c := range changed {
					perturb(rng, c)
				}
				var changes *registry.Changes
				s, changes = s.Apply(revision+1, changed...)
				h.update(s, changes)
			}
			if diff := cmp.Diff(dump(h.stanza.next(nil, s, nil)), dump(h.index.Load())); diff != "" {
				t.Fatalf("%s, seed %d: index (-new +grown):\n%s", properties, seed, diff)
			}
		}
	}
}

// perturb makes endpoints unready, and gives them pods.
func perturb(rng *rand.Rand, c registry.Change) {
	endpoints, ok := c.Object.(*registry.Endpoints)
	if !ok {
		return
	}
	for i := range endpoints.Subsets[0].Endpoints {
		e := &endpoints.Subsets[0].Endpoints[i]
		e.Ready = rng.IntN(3) == 0
		e.Target = registry.Target{Kind: "Pod", Key: registry.Key{Name: "pod-" + string(rune('a'+rng.IntN(3)))}}
	}
}

func TestParseEndpointRules(t *testing.T) {
	for _, tt := range []struct {
		properties string
		want       endpointRules
	}{
		{"", endpointRules{}},
		{"noendpoints", endpointRules{none: true}},
		{"ignore empty_service", endpointRules{ignoreEmpty: true}},
		{"endpoint_pod_names\nignore empty_service", endpointRules{ignoreEmpty: true, podNames: true}},
	} {
		if got := optionsOf(t, tt.properties).endpoints; got != tt.want {
			t.Errorf("%q: got %+v, want %+v", tt.properties, got, tt.want)
		}
	}
	for _, tt := range []struct{ properties, want string }{
		{"noendpoints at all", `noendpoints: "at": want no argument`},
		{"endpoint_pod_names on", `endpoint_pod_names: "on": want no argument`},
		{"ignore", "ignore: want empty_service, and nothing else"},
		{"ignore empty_service and_more", "ignore: want empty_service, and nothing else"},
		{"ignore me", "ignore: me: want empty_service"},
		{"ignore empty_service\nnoendpoints", "noendpoints and ignore empty_service: want one of them; the latter needs endpoints"},
		{"noendpoints\nendpoint_pod_names", "noendpoints and endpoint_pod_names: want one of them; the latter needs endpoints"},
	} {
		_, err := parseText(t, "svcreg cluster.local {\n"+tt.properties+"\n}")
		if err == nil || !strings.HasSuffix(err.Error(), " - Error during parsing: "+tt.want) {
			t.Errorf("%q: got  %v\nwant %s", tt.properties, err, tt.want)
		}
	}
}
