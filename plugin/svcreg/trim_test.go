package svcreg

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// rich is a registry of which a cluster says all that can be said.
const rich = `
{kind: Service, apiVersion: v1, metadata: {namespace: my-ns, name: web, uid: 0c5a6d9f-6b2e-4f8b-9f5e-000000000001, labels: {app: web}, annotations: {note: none}},
  spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080, nodePort: 30080}]}}
---
{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, addressType: IPv4, ports: [{name: http, port: 8080, protocol: TCP}],
  metadata: {namespace: my-ns, name: web-1, uid: 0c5a6d9f-6b2e-4f8b-9f5e-000000000002, labels: {kubernetes.io/service-name: web, app: web}},
  endpoints: [
    {addresses: [192.0.2.1], nodeName: node-1, zone: zone-a, conditions: {ready: true}, targetRef: {kind: Pod, namespace: my-ns, name: web-7d4b9c6f5-aaaaa}},
    {addresses: [192.0.2.2], nodeName: node-2, zone: zone-b, conditions: {ready: true}, targetRef: {kind: Pod, namespace: my-ns, name: web-7d4b9c6f5-bbbbb}}]}
---
{kind: Service, apiVersion: v1, metadata: {namespace: my-ns, name: empty}, spec: {clusterIP: 10.0.0.1, externalIPs: [203.0.113.1], ports: [{name: http, port: 80}]}}
`

// trimmed returns the registry as a stanza with those options has it.
func trimmed(t *testing.T, o *options) *registry.Snapshot {
	t.Helper()
	var objects []registry.Object
	whole := registrytest.Snapshot(t, rich)
	for object := range whole.Objects() {
		o.trim(object)
		objects = append(objects, object)
	}
	return registry.Build(whole.Revision(), objects...)
}

// Nothing that is trimmed off makes a difference to an answer.
func TestTrim(t *testing.T) {
	for name, rules := range map[string]endpointRules{
		"default": {}, "no endpoints": {none: true}, "pod names": {podNames: true}, "zonal": {zonal: true}, "ignore empty": {ignoreEmpty: true},
	} {
		t.Run(name, func(t *testing.T) {
			o := &options{zones: theZones, public: []string{"public.example.org."}, ttl: 5, shortNames: true, endpoints: rules}
			whole, less := newTestServerOf(o), newTestServerOf(o)
			whole.update(registrytest.Snapshot(t, rich), nil)
			less.update(trimmed(t, o), nil)
			if diff := cmp.Diff(dump(whole.index.Load()), dump(less.index.Load())); diff != "" {
				t.Errorf("answers (-whole +trimmed):\n%s", diff)
			}
			for _, name := range []string{"zone-a.pin._zone.web.my-ns.svc.cluster.local.", "empty.my-ns.public.example.org."} {
				if diff := cmp.Diff(text(ask(t, whole, name, dns.TypeA)), text(ask(t, less, name, dns.TypeA))); diff != "" {
					t.Errorf("%s (-whole +trimmed):\n%s", name, diff)
				}
			}
		})
	}
}

// What is left of endpoints that are only counted is little.
func TestTrimIsWorthIt(t *testing.T) {
	size := func(s *registry.Snapshot) (n int) {
		for r := range s.Records() {
			n += len(r.Data())
		}
		return n
	}
	whole, less := size(registrytest.Snapshot(t, rich)), size(trimmed(t, &options{}))
	if less > whole/2 {
		t.Errorf("%d bytes of %d are left", less, whole)
	}
}
