package apiproxy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/svcreg/svcreg/proxyd/apistatus"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

const manifests = `
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: ns}, spec: {ports: [{name: http, port: 80}, {name: tls, port: 443}, {name: dns, port: 53, protocol: UDP}]}}
---
{apiVersion: v1, kind: Endpoints, metadata: {name: web, namespace: ns}, subsets: [{addresses: [{ip: 10.0.0.1}, {ip: "fd00::1"}], notReadyAddresses: [{ip: 10.0.0.9}], ports: [{name: http, port: 8080}, {name: tls, port: 8443}, {name: dns, port: 53, protocol: UDP}]}]}
---
{apiVersion: v1, kind: Service, metadata: {name: only, namespace: ns}, spec: {ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}}
---
{apiVersion: v1, kind: Endpoints, metadata: {name: only, namespace: ns}, subsets: [{addresses: [{ip: 10.0.0.2}], ports: [{name: http, port: 8080}]}]}
---
{apiVersion: v1, kind: Service, metadata: {name: unnamed, namespace: ns}, spec: {ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Endpoints, metadata: {name: unnamed, namespace: ns}, subsets: [{addresses: [{ip: 192.0.2.7}], ports: [{port: 8080}]}]}
---
{apiVersion: v1, kind: Service, metadata: {name: hollow, namespace: ns}, spec: {ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: unready, namespace: ns}, spec: {ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Endpoints, metadata: {name: unready, namespace: ns}, subsets: [{notReadyAddresses: [{ip: 10.0.0.9}], ports: [{name: http, port: 8080}]}]}
---
{apiVersion: v1, kind: Service, metadata: {name: bare, namespace: ns}, spec: {clusterIP: None}}
---
{apiVersion: v1, kind: Endpoints, metadata: {name: bare, namespace: ns}, subsets: [{addresses: [{ip: 10.0.0.3}], ports: [{name: admin, port: 9000}]}]}
---
{apiVersion: v1, kind: Service, metadata: {name: going, namespace: ns}, spec: {ports: [{name: http, port: 80}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: going-1, namespace: ns, labels: {kubernetes.io/service-name: going}}, addressType: IPv4, ports: [{name: http, port: 8080}],
 endpoints: [{addresses: [10.0.0.4], conditions: {ready: true}}, {addresses: [10.0.0.5], conditions: {ready: false, serving: true, terminating: true}}, {addresses: [10.0.0.6], conditions: {ready: false, serving: false, terminating: true}}, {addresses: [10.0.0.7], conditions: {ready: false, serving: true}}]}
---
{apiVersion: v1, kind: Service, metadata: {name: outside, namespace: ns}, spec: {ports: [{name: http, port: 80}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: outside-1, namespace: ns, labels: {kubernetes.io/service-name: outside}}, addressType: FQDN, ports: [{name: http, port: 8080}], endpoints: [{addresses: [www.example.org]}]}
---
{apiVersion: v1, kind: Service, metadata: {name: resolved, namespace: ns}, spec: {ports: [{name: http, port: 80}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: resolved-1, namespace: ns, labels: {kubernetes.io/service-name: resolved}}, addressType: IPv4, ports: [{name: http, port: 8080}], endpoints: [{addresses: [192.0.2.9], targetRef: {kind: Host, name: www.example.org}}]}
---
{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: ns}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}, {name: admin, containerPort: 9000}]}]}, status: {podIP: 10.0.1.1, phase: Running}}
---
{apiVersion: v1, kind: Pod, metadata: {name: portless, namespace: ns}, status: {podIP: 10.0.1.2, phase: Running}}
---
{apiVersion: v1, kind: Pod, metadata: {name: pending, namespace: ns}}
---
{apiVersion: v1, kind: Node, metadata: {name: "n"}, status: {addresses: [{type: InternalIP, address: 10.0.2.1}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: lost}}
`

func TestTargets(t *testing.T) {
	s := registrytest.Snapshot(t, manifests)
	const services, pods, nodes = "/api/v1/namespaces/ns/services/", "/api/v1/namespaces/ns/pods/", "/api/v1/nodes/"
	for _, tc := range []struct {
		name, object string
		want         []string
	}{
		{"by name", services + "web:http", []string{"http://10.0.0.1:8080", "http://[fd00::1]:8080"}},
		{"by number", services + "web:443", []string{"http://10.0.0.1:8443", "http://[fd00::1]:8443"}},
		{"https", services + "https:web:tls", []string{"https://10.0.0.1:8443 web.ns.svc", "https://[fd00::1]:8443 web.ns.svc"}},
		{"the only port", services + "only", []string{"http://10.0.0.2:8080"}},
		{"the only port, over https", services + "https:only:", []string{"https://10.0.0.2:8080 only.ns.svc"}},
		{"the unnamed port, of no pod", services + "unnamed", []string{"http://192.0.2.7:8080"}},
		{"a port that endpoints have alone", services + "bare:admin", []string{"http://10.0.0.3:9000"}},
		{"terminating", services + "going", []string{"http://10.0.0.4:8080", "http://10.0.0.5:8080 last"}},
		{"given by name", services + "outside", []string{"http://www.example.org:8080 for www.example.org:8080"}},
		{"given by name, and resolved", services + "resolved", []string{"http://192.0.2.9:8080 for www.example.org:8080"}},
		{"the same over TLS", "/api/v1/namespaces/ns/services/https:resolved:http", []string{"https://192.0.2.9:8080 www.example.org for www.example.org:8080"}},
		{"pod", pods + "p", []string{"http://10.0.1.1:8080"}},
		{"pod by port", pods + "p:81", []string{"http://10.0.1.1:81"}},
		{"pod by port's name", pods + "https:p:admin", []string{"https://10.0.1.1:9000 10.0.1.1"}},
		{"pod without ports", pods + "portless", []string{"http://10.0.1.2:80"}},
		{"node", nodes + "n", []string{"https://10.0.2.1:10250 10.0.2.1"}},
		{"node by port", nodes + "n:9100", []string{"http://10.0.2.1:9100"}},

		{"several ports, none chosen", services + "web", []string{`503 no endpoints available for service "web"`}},
		{"no such number", services + "web:81", []string{`503 no service port 81 found for service "web"`}},
		{"a port of UDP", services + "web:53", []string{`503 no service port 53 found for service "web"`}},
		{"no such name", services + "only:x", []string{`503 no endpoints available for service "only:x"`}},
		{"no endpoints", services + "hollow:80", []string{`503 no endpoints available for service "hollow"`}},
		{"none is ready", services + "unready:80", []string{`503 no endpoints available for service "unready:80"`}},
		{"no service", services + "nobody", []string{`404 services "nobody" not found`}},
		{"no pod", pods + "nobody", []string{`404 pods "nobody" not found`}},
		{"no address", pods + "pending", []string{`503 no address available for pod "pending"`}},
		{"no port of that name", pods + "p:x", []string{`400 invalid pod request "p:x"`}},
		{"no node", nodes + "nobody", []string{`404 nodes "nobody" not found`}},
		{"no address of a node", nodes + "lost", []string{`503 no address available for node "lost"`}},
		{"a node's ports have no names", nodes + "n:x", []string{`400 invalid node request "n:x"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := cmp.Diff(tc.want, targetsOf(t, s, tc.object)); d != "" {
				t.Error(d)
			}
		})
	}
}

// targetsOf returns the targets as text, or the error.
func targetsOf(t *testing.T, s *registry.Snapshot, object string) []string {
	t.Helper()
	p, ok, err := parsePath(object+"/proxy/", "")
	if !ok || err != nil {
		t.Fatalf("%s: %v, %v", object, ok, err)
	}
	found, err := targets(s, p)
	var status *apistatus.Error
	if errors.As(err, &status) {
		return []string{fmt.Sprintf("%d %s", status.Status().Code, status.Error())}
	}
	var text []string
	for _, to := range found {
		line := to.scheme + "://" + to.address
		if dialled, name, err := splitTLSAddress(to.key); err != nil || dialled != to.address {
			t.Errorf("%+v: dialled at %s, %v", to, dialled, err)
		} else if name != "" {
			line += " " + name
		}
		if to.host != "" {
			line += " for " + to.host
		}
		if to.last {
			line += " last"
		}
		text = append(text, line)
	}
	slices.Sort(text)
	return text
}

func TestOrder(t *testing.T) {
	now := time.Unix(1000, 0)
	some := func(n int) (targets []target) {
		for i := range n {
			targets = append(targets, target{address: strconv.Itoa(i)})
		}
		return targets
	}
	t.Run("at random", func(t *testing.T) {
		var f failures
		first := map[string]int{}
		for range 600 {
			first[f.order(some(3), now)[0].address]++
		}
		for name, n := range first {
			if n < 100 {
				t.Errorf("target %s came first %d times of 600", name, n)
			}
		}
		if len(first) != 3 {
			t.Errorf("only %d of 3 come first", len(first))
		}
	})
	t.Run("failed ones are avoided for a moment", func(t *testing.T) {
		var f failures
		f.add("0", now)
		later := map[string]bool{}
		for range 100 {
			if got := f.order(some(2), now.Add(avoidFor-1)); got[0].address != "1" || got[1].address != "0" {
				t.Fatalf("order %v", got)
			}
			later[f.order(some(2), now.Add(avoidFor))[0].address] = true
		}
		if !later["0"] {
			t.Error("still avoided after the moment")
		}
	})
	t.Run("terminating ones come last, after failed ones", func(t *testing.T) {
		var f failures
		f.add("0", now)
		for range 100 {
			targets := some(2)
			targets[1].last = true
			if got := f.order(targets, now); got[0].address != "0" {
				t.Fatalf("order %v", got)
			}
		}
	})
	t.Run("no more than a few", func(t *testing.T) {
		var f failures
		if got := f.order(some(100), now); len(got) != maxTries {
			t.Errorf("%d targets", len(got))
		}
	})
	t.Run("bounded, and the old ones make room", func(t *testing.T) {
		var f failures
		for i := range maxFailures + 10 {
			f.add(fmt.Sprint(i), now)
		}
		if len(f.at) != maxFailures {
			t.Errorf("%d failures", len(f.at))
		}
		f.add("new", now.Add(avoidFor))
		if len(f.at) != 1 {
			t.Errorf("%d failures, not the new one alone", len(f.at))
		}
	})
}
