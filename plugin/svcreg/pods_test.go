package svcreg

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// podManifests are pods of every sort, and a service in a namespace called
// like the schema's label.
const podManifests = `
kind: Pod
apiVersion: v1
metadata: {name: one, namespace: my-ns}
status: {phase: Running, podIP: 192.0.2.1, podIPs: [{ip: 192.0.2.1}, {ip: "2001:db8::1"}]}
---
kind: Pod
apiVersion: v1
metadata: {name: done, namespace: my-ns}
status: {phase: Succeeded, podIP: 192.0.2.2}
---
# A namespace without an object of its own, and without services.
kind: Pod
apiVersion: v1
metadata: {name: three, namespace: pods-only}
status: {phase: Running, podIP: 192.0.2.3}
---
# Two namespaces' on the host's network.
kind: Pod
apiVersion: v1
metadata: {name: agent, namespace: my-ns}
spec: {hostNetwork: true}
status: {phase: Running, podIP: 192.0.2.100}
---
kind: Pod
apiVersion: v1
metadata: {name: agent, namespace: pods-only}
spec: {hostNetwork: true}
status: {phase: Running, podIP: 192.0.2.100}
---
kind: Namespace
apiVersion: v1
metadata: {name: my-ns}
---
kind: Service
apiVersion: v1
metadata: {name: my-ns, namespace: pod}
spec: {clusterIP: 10.0.0.1, ports: [{name: http, port: 80}]}
---
kind: Service
apiVersion: v1
metadata: {name: other, namespace: pod}
spec: {clusterIP: 10.0.0.2, ports: [{name: http, port: 80}]}
`

// podAnswer returns an answer with the revision that podManifests stand at.
func podAnswer(want string) string {
	return strings.ReplaceAll(want, "SOA", strings.Replace(clusterSOA, " 29 ", " 8 ", 1))
}

func podServer(t testing.TB, mode podMode) *testServer {
	h := newTestServerOf(&options{zones: theZones, ttl: defaultTTL, shortNames: true, pods: mode})
	h.update(registrytest.Snapshot(t, podManifests), nil)
	return h
}

func runPods(t *testing.T, mode podMode, questions []question) {
	for i := range questions {
		questions[i].want = podAnswer(questions[i].want)
	}
	run(t, podServer(t, mode), questions)
}

// A namespace called "pod" has its short names; no pod has any.
func TestPodsDisabled(t *testing.T) {
	runPods(t, podsDisabled, []question{
		{"192-0-2-1.my-ns.pod.cluster.local.", dns.TypeA, nxDomain},
		{"192-0-2-1.my-ns.pod.cluster.local.", dns.TypeAAAA, nxDomain},
		{"nothing.pod.cluster.local.", dns.TypeA, nxDomain},
		{"my-ns.pod.cluster.local.", dns.TypeA, lines("my-ns.pod.cluster.local. 5 IN A 10.0.0.1")},
	})
	h := loaded(t, theZones...) // where no namespace is called "pod"
	run(t, h, []question{
		{"192-0-2-1.my-ns.pod.cluster.local.", dns.TypeA, nxDomain},
		{"my-ns.pod.cluster.local.", dns.TypeA, nxDomain},
		{"pod.cluster.local.", dns.TypeA, nxDomain},
	})
}

// Any address has a name in a namespace that exists.
func TestPodsInsecure(t *testing.T) {
	runPods(t, podsInsecure, []question{
		{"pod.cluster.local.", dns.TypeA, noData},
		{"my-ns.pod.cluster.local.", dns.TypeA, noData},
		{"192-0-2-1.my-ns.pod.cluster.local.", dns.TypeA, lines("192-0-2-1.my-ns.pod.cluster.local. 5 IN A 192.0.2.1")},
		{"192-0-2-1.my-ns.pod.cluster.local.", dns.TypeANY, lines("192-0-2-1.my-ns.pod.cluster.local. 5 IN A 192.0.2.1")},
		{"198-51-100-255.my-ns.POD.cluster.local.", dns.TypeA, lines("198-51-100-255.my-ns.POD.cluster.local. 5 IN A 198.51.100.255")},
		{"192-0-2-1.my-ns.pod.cluster.local.", dns.TypeAAAA, noData},
		{"192-0-2-1.my-ns.pod.cluster.local.", dns.TypeHINFO, noData},
		{"2001-db8--1.my-ns.pod.cluster.local.", dns.TypeAAAA, lines("2001-db8--1.my-ns.pod.cluster.local. 5 IN AAAA 2001:db8::1")},
		{"2001-DB8-0-0-0-0-0-1.my-ns.pod.cluster.local.", dns.TypeAAAA, lines("2001-DB8-0-0-0-0-0-1.my-ns.pod.cluster.local. 5 IN AAAA 2001:db8::1")},
		{"0--1.my-ns.pod.cluster.local.", dns.TypeAAAA, lines("0--1.my-ns.pod.cluster.local. 5 IN AAAA ::1")},
		{"2001-db8--1.my-ns.pod.cluster.local.", dns.TypeA, noData},
		{"192-0-2-1.nowhere.pod.cluster.local.", dns.TypeA, nxDomain},
		{"nowhere.pod.cluster.local.", dns.TypeA, nxDomain},
		{"blah.my-ns.pod.cluster.local.", dns.TypeA, nxDomain},
		{`x\..pod.cluster.local.`, dns.TypeA, nxDomain}, // a label that ends with a dot
		{"192-0-2-1.my-ns.pod.my-ns.cluster.local.", dns.TypeA, nxDomain},
		{"a.192-0-2-1.my-ns.pod.cluster.local.", dns.TypeA, nxDomain},
		{"_http._tcp.192-0-2-1.my-ns.pod.cluster.local.", dns.TypeSRV, nxDomain},
		// The label of the schema first, then the namespace of that name.
		{"other.pod.cluster.local.", dns.TypeA, lines("other.pod.cluster.local. 5 IN A 10.0.0.2")},
		{"my-ns.pod.svc.cluster.local.", dns.TypeA, lines("my-ns.pod.svc.cluster.local. 5 IN A 10.0.0.1")},
	})
}

// Only addresses of pods have names, each in its pods' namespaces.
func TestPodsVerified(t *testing.T) {
	runPods(t, podsVerified, []question{
		{"pod.cluster.local.", dns.TypeA, noData},
		{"my-ns.pod.cluster.local.", dns.TypeAAAA, noData},
		{"pods-only.pod.cluster.local.", dns.TypeA, noData},
		{"192-0-2-1.my-ns.pod.cluster.local.", dns.TypeA, lines("192-0-2-1.my-ns.pod.cluster.local. 5 IN A 192.0.2.1")},
		{"192-0-2-1.my-ns.pod.cluster.local.", dns.TypeAAAA, noData},
		{"2001-db8--1.my-ns.pod.cluster.local.", dns.TypeAAAA, lines("2001-db8--1.my-ns.pod.cluster.local. 5 IN AAAA 2001:db8::1")},
		{"192-0-2-3.pods-only.pod.cluster.local.", dns.TypeA, lines("192-0-2-3.pods-only.pod.cluster.local. 5 IN A 192.0.2.3")},
		{"192-0-2-100.my-ns.pod.cluster.local.", dns.TypeA, lines("192-0-2-100.my-ns.pod.cluster.local. 5 IN A 192.0.2.100")},
		{"192-0-2-100.pods-only.pod.cluster.local.", dns.TypeA, lines("192-0-2-100.pods-only.pod.cluster.local. 5 IN A 192.0.2.100")},
		{"192-0-2-2.my-ns.pod.cluster.local.", dns.TypeA, nxDomain}, // has finished
		{"192-0-2-1.pods-only.pod.cluster.local.", dns.TypeA, nxDomain},
		{"192-0-2-9.my-ns.pod.cluster.local.", dns.TypeA, nxDomain},
		{"nowhere.pod.cluster.local.", dns.TypeA, nxDomain},
	})
}

// Pods come and go without a list of all of them.
func TestPodsFollowChanges(t *testing.T) {
	h := podServer(t, podsVerified)
	const name, namespace = "192-0-2-3.pods-only.pod.cluster.local.", "pods-only.pod.cluster.local."
	apply := func(changes ...registry.Change) {
		s, c := h.index.Load().snapshot.Apply(9, changes...)
		h.update(s, c)
	}
	want := func(name, want string) {
		t.Helper()
		if got, _, _ := strings.Cut(text(ask(t, h, name, dns.TypeA)), "\n"); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	three := registry.Ref{Kind: registry.KindPod, Key: registry.Key{Namespace: "pods-only", Name: "three"}}
	agent := registry.Ref{Kind: registry.KindPod, Key: registry.Key{Namespace: "pods-only", Name: "agent"}}
	pod := h.index.Load().snapshot.Object(three)
	want(name, "NOERROR aa")
	apply(registry.Put(pod)) // once more is no second one
	apply(registry.Delete(three))
	want(name, "NXDOMAIN aa")
	want(namespace, "NOERROR aa")
	apply(registry.Delete(agent))
	want(namespace, "NXDOMAIN aa")
	apply(registry.Put(pod))
	want(name, "NOERROR aa")
}

func TestParseDashed(t *testing.T) {
	for label, want := range map[string]string{
		"192-0-2-1":              "192.0.2.1",
		"0-0-0-0":                "0.0.0.0",
		"2001-db8--1":            "2001:db8::1",
		"2001-db8-0-0-0-0-0-001": "2001:db8::1",
		"--1":                    "::1",
		"0--":                    "::",
		"":                       "", "-": "", "1-2-3": "", "1-2-3-4-5": "", "1-2-3-256": "", "1-2-3-04": "", "1-2-3-": "", "1--3-4": "1::3:4",
		"1.2.3.4": "", "1:2::3": "", "fe80--1%eth0": "", "--ffff-a00-1": "", "2001-db8--g": "", "1-2-3-4\\": "", "--1--": "",
	} {
		got := parseDashed(label)
		if got.IsValid() != (want != "") || want != "" && got.String() != want {
			t.Errorf("%q: got %v, want %q", label, got, want)
		}
	}
	for _, addr := range parseAddrs([]string{"192.0.2.1", "::1", "2001:db8::", "2001:db8::1"}) {
		if got := parseDashed(dashed(addr)); got != addr {
			t.Errorf("%v: got %v of %s", addr, got, dashed(addr))
		}
	}
}

// Pods are watched only where they are needed: there are many of them.
func TestParsePods(t *testing.T) {
	for lines, want := range map[string]podMode{"": podsDisabled, "pods disabled": podsDisabled, "pods insecure": podsInsecure, "pods verified": podsVerified} {
		o, err := parseText(t, "svcreg cluster.local {\n"+lines+"\n}")
		if err != nil {
			t.Fatal(err)
		}
		if watched := slices.Contains(o.kinds(), registry.KindPod); o.pods != want || watched != (want == podsVerified) {
			t.Errorf("%q: mode %d, pods watched: %t", lines, o.pods, watched)
		}
	}
	for line, want := range map[string]string{
		"pods":                "pods: want disabled, insecure or verified, and nothing else",
		"pods insecure my-ns": "pods: want disabled, insecure or verified, and nothing else",
		"pods on":             "pods: on: want disabled, insecure or verified",
	} {
		_, err := parseText(t, "svcreg cluster.local {\n"+line+"\n}")
		if err == nil || err.Error() != "Testfile:2 - Error during parsing: "+want {
			t.Errorf("%s: got %v, want %s", line, err, want)
		}
	}
}
