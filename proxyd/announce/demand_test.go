package announce

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

func TestDemand(t *testing.T) {
	const (
		service = "{apiVersion: v1, kind: Service, metadata: {namespace: ns, name: web}, spec: {type: LoadBalancer, ports: [{port: 80}]SPEC}, status: {loadBalancer: {ingress: [{ip: 192.0.2.100}, {ip: \"2001:db8::100\"}]}}}"
		slice   = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {namespace: ns, name: NAME, labels: {kubernetes.io/service-name: web}}, addressType: FAMILY, ports: [{port: 8080}], endpoints: [{addresses: [\"ADDR\"], nodeName: NODE, conditions: {ready: READY}}]}"
		local   = ", externalTrafficPolicy: Local"
	)
	endpoint := func(family, addr, node, ready string) string {
		return strings.NewReplacer("NAME", "web-"+node+"-"+strings.ToLower(family), "FAMILY", family, "ADDR", addr, "NODE", node, "READY", ready).Replace(slice)
	}
	here4, here6 := endpoint("IPv4", "10.1.0.1", "here", "true"), endpoint("IPv6", "fd01::1", "here", "true")
	there4, unready4 := endpoint("IPv4", "10.1.0.2", "there", "true"), endpoint("IPv4", "10.1.0.1", "here", "false")
	for _, test := range []struct {
		name   string
		spec   string
		slices []string
		v4, v6 demand
	}{
		{"no endpoints", "", nil, demand{}, demand{}},
		{"one endpoint", "", []string{there4}, demand{anywhere: 1}, demand{}},
		{"two endpoints", "", []string{there4, here4}, demand{anywhere: 1}, demand{}},
		{"both families", "", []string{there4, here6}, demand{anywhere: 1}, demand{anywhere: 1}},
		{"not ready", "", []string{unready4}, demand{}, demand{}},
		{"not ready, but published", ", publishNotReadyAddresses: true", []string{unready4}, demand{anywhere: 1}, demand{}},
		{"local, here", local, []string{here4, there4}, demand{here: 1}, demand{}},
		{"local, there", local, []string{there4}, demand{}, demand{}},
		{"local, not ready here", local, []string{unready4, there4}, demand{}, demand{}},
		{"local by IPv6", local, []string{there4, here6}, demand{}, demand{here: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			manifests := append([]string{strings.Replace(service, "SPEC", test.spec, 1)}, test.slices...)
			d, k := newDemands("here"), registry.Key{Namespace: "ns", Name: "web"}
			d.update(registrytest.Snapshot(t, strings.Join(manifests, "\n---\n")), k)
			for addr, want := range map[string]demand{"192.0.2.100": test.v4, "2001:db8::100": test.v6, "192.0.2.101": {}} {
				if got := d.at(netip.MustParseAddr(addr), []registry.Key{k}); got != want {
					t.Errorf("%s: %+v, want %+v", addr, got, want)
				}
			}
			if got := d.at(netip.MustParseAddr("192.0.2.100"), []registry.Key{{Namespace: "ns", Name: "other"}}); got != (demand{}) {
				t.Errorf("%+v for an address that the service doesn't hold", got)
			}
			if d.update(registrytest.Snapshot(t, here4), k); len(d.services) != 0 {
				t.Errorf("the service is gone, but left %v", d.services)
			}
		})
	}
}

// publicIPs of the older versions count as the addresses of v1 do, and of
// services that share an address each counts.
func TestDemandShared(t *testing.T) {
	const manifests = `
{apiVersion: v1beta3, kind: Service, metadata: {namespace: ns, name: old}, spec: {createExternalLoadBalancer: true, publicIPs: [192.0.2.100], ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Endpoints, metadata: {namespace: ns, name: old}, subsets: [{addresses: [{ip: 10.1.0.1}], ports: [{port: 80}]}]}
---
{apiVersion: v1, kind: Service, metadata: {namespace: ns, name: new}, spec: {type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 81}]}, status: {loadBalancer: {ingress: [{ip: 192.0.2.100}]}}}
---
{apiVersion: v1, kind: Endpoints, metadata: {namespace: ns, name: new}, subsets: [{addresses: [{ip: 10.1.0.2, nodeName: here}], ports: [{port: 81}]}]}
`
	d, s := newDemands("here"), registrytest.Snapshot(t, manifests)
	older, newer := registry.Key{Namespace: "ns", Name: "old"}, registry.Key{Namespace: "ns", Name: "new"}
	d.update(s, older)
	d.update(s, newer)
	for _, test := range []struct {
		holders []registry.Key
		want    demand
	}{
		{[]registry.Key{older}, demand{anywhere: 1}},
		{[]registry.Key{newer}, demand{here: 1}},
		{[]registry.Key{older, newer}, demand{1, 1}},
		{nil, demand{}},
	} {
		if got := d.at(netip.MustParseAddr("192.0.2.100"), test.holders); got != test.want {
			t.Errorf("%v: %+v, want %+v", test.holders, got, test.want)
		}
	}
}
