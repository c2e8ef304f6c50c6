package endpoints

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// What is odd about a service is told once.
func TestEvents(t *testing.T) {
	f := newFleet(t).init()
	f.unchecked, f.events = true, &registrytest.Events{}
	f.put(`
{kind: Service, apiVersion: v1, metadata: {name: web, namespace: my-ns, annotations: {svcreg.io/health-check: tcp}},
 spec: {selector: {app: web}, ports: [{port: 80, name: http, targetPort: http}, {port: 81, name: admin, targetPort: admin}]}}
---
{kind: Service, apiVersion: v1, metadata: {name: nobody, namespace: my-ns}, spec: {selector: {app: nobody}, ports: [{port: 80, targetPort: http}]}}
---
{kind: Endpoints, apiVersion: v1, metadata: {name: web, namespace: my-ns}}
---
{kind: Pod, apiVersion: v1, metadata: {name: a, namespace: my-ns, labels: {app: web}},
 spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}, status: {phase: Running, podIP: 10.1.0.1}}
---
{kind: Pod, apiVersion: v1, metadata: {name: b, namespace: my-ns, labels: {app: web}}, status: {phase: Running, podIP: 127.0.0.1}}
`)
	f.run("one")
	want := []string{
		"Warning my-ns/web AddressRefused pod my-ns/b: 127.0.0.1: a loopback address",
		"Warning my-ns/web HandMadeEndpoints a service with a selector has an Endpoints object that somebody wrote: it stays, and counts for nothing beside the slices",
		"Warning my-ns/web NoSuchPort port admin leads nowhere: no pod has a port admin/TCP",
		"Warning my-ns/web NotChecked a service wants its endpoints checked: that takes the controller external, which is off here",
	}
	told := func() []string {
		return slices.Sorted(slices.Values(f.events.Lines()))
	}
	for deadline := time.Now().Add(patience); cmp.Diff(want, told()) != ""; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("(-want +got):\n%s", cmp.Diff(want, told()))
		}
	}
	f.put(`{kind: Pod, apiVersion: v1, metadata: {name: c, namespace: my-ns, labels: {app: web}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}, status: {phase: Running, podIP: 10.1.0.2}}`)
	serves := func() bool {
		return slices.ContainsFunc(f.stored(registry.KindEndpointSlice), func(e *registry.Endpoints) bool {
			return slices.ContainsFunc(e.Subsets, func(s registry.Subset) bool { return len(s.Endpoints) == 2 })
		})
	}
	for deadline := time.Now().Add(patience); !serves(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the pod doesn't serve")
		}
	}
	if diff := cmp.Diff(want, told()); diff != "" {
		t.Errorf("told again (-want +got):\n%s", diff)
	}
}
