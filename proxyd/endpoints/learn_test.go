package endpoints

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

const learned = `
{kind: Service, apiVersion: v1, metadata: {name: web, namespace: a}, spec: {selector: {app: web}, clusterIP: None}}
---
{kind: Service, apiVersion: v1, metadata: {name: every, namespace: a}, spec: {selector: {}, clusterIP: None}}
---
{kind: Service, apiVersion: v1, metadata: {name: manual, namespace: a}, spec: {clusterIP: None}}
---
{kind: Service, apiVersion: v1, metadata: {name: web, namespace: b}, spec: {selector: {app: web}, clusterIP: None}}
---
{kind: Pod, apiVersion: v1, metadata: {name: p, namespace: a, labels: {app: web}}, spec: {nodeName: n1}, status: {podIP: 192.0.2.1}}
---
{kind: Pod, apiVersion: v1, metadata: {name: bare, namespace: a}, status: {podIP: 192.0.2.2}}
---
{kind: Node, apiVersion: v1, metadata: {name: n1, labels: {topology.kubernetes.io/zone: z}}}
---
{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, metadata: {name: web-pods-0, namespace: a, labels: {kubernetes.io/service-name: web, endpointslice.kubernetes.io/managed-by: endpoints.svcreg.io}}, addressType: IPv4, endpoints: []}
`

// A change has those services looked at that it concerns, and no others.
func TestLearn(t *testing.T) {
	at := time.Unix(1, 0)
	put := func(manifest string) registry.Change {
		for o := range registrytest.Snapshot(t, manifest).Objects() {
			trim(o)
			o.Metadata().ModRevision = 50
			return registry.Put(o)
		}
		return registry.Change{}
	}
	pod := func(old, now string) registry.Change {
		for part := range strings.SplitSeq(learned, "---") {
			if strings.Contains(part, "{name: p,") {
				return put(strings.Replace(part, old, now, 1))
			}
		}
		return registry.Change{}
	}
	slice := func(revision int64) registry.Change {
		e := &registry.Endpoints{Meta: registry.Meta{Kind: registry.KindEndpointSlice, Key: registry.Key{Namespace: "a", Name: "web-pods-0"},
			ModRevision: revision, Labels: labels{managedByLabel: Manager}}, Service: registry.Key{Namespace: "a", Name: "web"}}
		return registry.Put(e)
	}
	const node = "{kind: Node, apiVersion: v1, metadata: {name: n1, labels: {topology.kubernetes.io/zone: z, beat: again}}}"
	tests := []struct {
		name   string
		change registry.Change
		want   string // with a star where it is known when that began
	}{
		{"a pod gets ready", pod("podIP", "conditions: [{type: Ready, status: \"True\"}], podIP"), "a/every* a/web*"},
		{"a pod has another label", pod("app: web", "app: other"), "a/every* a/web*"},
		{"a pod says something else", pod("labels", "annotations: {note: said}, labels"), ""},
		{"a pod that only the empty selector selects", registry.Delete(registry.Ref{Kind: registry.KindPod, Key: registry.Key{Namespace: "a", Name: "bare"}}), "a/every*"},
		{"a node moves", put(strings.Replace(node, "zone: z", "zone: other", 1)), "a/every* a/web*"},
		{"a node's heartbeat", put(node), ""},
		{"a node that runs nothing", put("{kind: Node, apiVersion: v1, metadata: {name: other, labels: {topology.kubernetes.io/zone: z}}}"), ""},
		{"another portal network", registry.Put(portalNetwork()), "a/every a/web b/web"},
		{"a service", put("{kind: Service, apiVersion: v1, metadata: {name: web, namespace: b}, spec: {selector: {app: x}, clusterIP: None}}"), "b/web*"},
		{"a slice that the controller wrote", slice(40), ""},
		{"a slice that somebody else wrote", slice(51), "a/web"},
		{"a slice that somebody deleted", registry.Delete(registry.Ref{Kind: registry.KindEndpointSlice, Key: registry.Key{Namespace: "a", Name: "web-pods-0"}}), "a/web"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			box := newInbox(func() time.Time { return at })
			n := &controller{Config: &Config{}, inbox: box, snapshot: &registry.Snapshot{}, index: newIndex(), tasks: map[registry.Key]*task{}}
			var trimmed []registry.Object
			for o := range registrytest.Snapshot(t, learned).Objects() {
				trim(o)
				trimmed = append(trimmed, o)
			}
			box.put((&registry.Snapshot{}).Replace(40, slices.Values(packedAll(trimmed))))
			n.learn(box.take())
			if len(n.tasks) != 4 {
				t.Fatalf("%d services at the start", len(n.tasks))
			}
			clear(n.tasks)
			n.written = map[registry.Key]receipt{{Namespace: "a", Name: "web"}: {40, 1, ""}}
			box.put(n.snapshot.Apply(51, tt.change))
			n.learn(box.take())
			var got []string
			for k, task := range n.tasks {
				if text := k.String(); task.since.IsZero() {
					got = append(got, text)
				} else {
					got = append(got, text+"*")
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func packedAll(objects []registry.Object) []registry.Record {
	var records []registry.Record
	for _, o := range objects {
		records = append(records, registry.Pack(o))
	}
	return records
}
